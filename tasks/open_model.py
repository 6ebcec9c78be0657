"""Task: open a checkpoint and hash every tensor. Never cached: the digest is what everything else rests on."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.measure.identity import identify_model
from invarlock.measure.records import ModelIdentity


@task(name="open model", task_run_name="open {reference}", cache_policy=NO_CACHE, persist_result=False)
def open_model(reference: str, *, allow_network: bool, allow_pickle: bool) -> ModelIdentity:
    """What ``reference`` (folder, hub id or bundled:NAME) is, by digest."""
    return identify_model(reference, allow_network=allow_network, allow_pickle=allow_pickle)
