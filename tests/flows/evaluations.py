"""Evaluations small enough for a test, on a copy of the shipped model or an edit of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from invarlock.evaluation.request import EvaluationRequest
from tests.flows.sweeps import text, write_model

PRESET = """
basis: demo
model: {device: cpu}
dataset: {provider: local_text, paths: ["%s"], seq_len: 32}
eval: {preview_n: %d, final_n: %d}
"""
QUANT_2BIT = "edit: {name: quant_rtn, plan: {bitwidth: 2}}\n"
Tensors = dict[str, torch.Tensor]


def write_preset(folder: Path, windows: int = 8) -> Path:
    """A preset with ``windows`` preview and as many final windows, and text enough for them."""
    place = folder / f"text_{windows}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "text.txt").write_text(text(20 * windows))
    preset = folder / f"preset_{windows}.yaml"
    preset.write_text(PRESET % (place, windows, windows))
    return preset


def write_edit(folder: Path, content: str = QUANT_2BIT) -> Path:
    """An edit config."""
    path = folder / "edit.yaml"
    path.write_text(content)
    return path


def write_subject(
    folder: Path, name: str, change: Callable[[Tensors], Tensors], config: Mapping[str, object] | None = None
) -> Path:
    """A copy of the folder's model with its tensors changed, and fields of its config.json."""
    subject = folder / name
    shutil.copytree(write_model(folder), subject)
    save_file(
        change(load_file(subject / "model.safetensors")), subject / "model.safetensors", {"format": "pt"}
    )
    if config is not None:
        known = json.loads((subject / "config.json").read_text())
        (subject / "config.json").write_text(json.dumps(known | dict(config)))
    return subject


def request(folder: Path, name: str = "self", **changes: object) -> EvaluationRequest:
    """The folder's model against itself, reports in ``folder/name``."""
    model = str(write_model(folder))
    values: dict[str, object] = {
        "baseline": model,
        "subject": model,
        "preset": write_preset(folder),
        "profile": "dev",
        "out": folder / "runs",
        "report_out": folder / name,
    }
    return EvaluationRequest.model_validate(values | changes)
