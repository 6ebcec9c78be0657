"""Task: the harmless edit of every seed, for a benign null."""

from __future__ import annotations

from collections.abc import Mapping

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.edits.benign import benign_edit
from invarlock.edits.benign_records import BenignEdit
from invarlock.measure.fused_experts import refuse_fused_experts
from tasks.resources import checkpoint


@task(name="draw edits", cache_policy=NO_CACHE, persist_result=False)
def draw_edits(root: str, digest: str, seeds: tuple[int, ...]) -> Mapping[int, BenignEdit]:
    """Seed to edit, for the checkpoint in ``root`` whose model digest is ``digest``."""
    edits = {seed: benign_edit(seed, checkpoint(root).entries, digest) for seed in seeds}
    for edit in edits.values():
        refuse_fused_experts(edit.tensors)
    return edits
