"""A subject on disk: the baseline's folder with other weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from benchmarks.faults.plants import Tensors
from benchmarks.faults.subjects import Subject

WEIGHTS = "model.safetensors"
_METADATA = {"format": "pt"}


def write_subject(baseline: Path, subject: Subject, folder: Path) -> Path:
    """Copy ``baseline``, whose weights are one file, to ``folder`` with ``subject`` planted in it."""
    shutil.copytree(baseline, folder, ignore=shutil.ignore_patterns(WEIGHTS))
    tensors = subject.plant(load_file(baseline / WEIGHTS))
    if subject.shards == 1:
        save_file(tensors, folder / WEIGHTS, _METADATA)
    else:
        _save_shards(tensors, folder, subject.shards)
    return folder


def _save_shards(tensors: Tensors, folder: Path, count: int) -> None:
    placed = {name: f"model-{at % count + 1:05}-of-{count:05}.safetensors" for at, name in enumerate(tensors)}
    for shard in set(placed.values()):
        save_file(
            {name: tensors[name] for name in tensors if placed[name] == shard}, folder / shard, _METADATA
        )
    index = {"metadata": {}, "weight_map": placed}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
