"""``invarlock measure``: statistics alone, and drift against a baseline."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.home import shipped
from tests.cli.run_cli import run_cli

NAME = "transformer.h.2.mlp.c_proj"


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model with one matrix grown by half."""
    model = tmp_path_factory.mktemp("edited") / "model"
    shutil.copytree(shipped("models/pydocs-gpt2"), model)
    tensors = load_file(model / "model.safetensors")
    tensors[f"{NAME}.weight"] *= 1.5
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    return model


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVARLOCK_HOME", str(tmp_path / "home"))


def test_statistics_as_json(edited: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_cli(capfd, "measure", edited, "--json")
    modules = {module["name"]: module for module in json.loads(ran.out)["modules"]}
    sigma = torch.linalg.svdvals(load_file(edited / "model.safetensors")[f"{NAME}.weight"].double())
    assert modules[NAME]["sigma_max"] == pytest.approx(float(sigma[0]), rel=1e-4)
    stable_rank = float((sigma**2).sum() / sigma[0] ** 2)
    assert modules[NAME]["stable_rank"] == pytest.approx(stable_rank, rel=1e-3)
    assert "log_sigma" not in modules[NAME]


def test_drift_against_a_baseline(edited: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_cli(capfd, "measure", edited, "--against", "bundled:pydocs-gpt2", "--json")
    modules = {module["name"]: module for module in json.loads(ran.out)["modules"]}
    assert modules[NAME]["log_sigma"] == pytest.approx(0.405, abs=2e-3)
    assert modules[NAME]["relative_change"] == pytest.approx(0.5, abs=2e-3)
    moved = [name for name, module in modules.items() if module["relative_change"] > 0]
    assert moved == [NAME]


def test_the_table_cuts_no_number(edited: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_cli(capfd, "measure", edited, "--against", "bundled:pydocs-gpt2")
    assert "…" not in ran.out
    assert "5.00e-01" in ran.out
    assert NAME in "".join(ran.out.split()) or "c_proj" in ran.out


def test_another_architecture_is_refused(
    edited: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    smaller = tmp_path / "smaller"
    shutil.copytree(edited, smaller)
    tensors = load_file(smaller / "model.safetensors")
    tensors[f"{NAME}.weight"] = tensors[f"{NAME}.weight"][:-1].clone()
    save_file(tensors, smaller / "model.safetensors", metadata={"format": "pt"})
    ran = run_cli(capfd, "measure", smaller, "--against", edited)
    assert ran.code == 2
    assert NAME in ran.err
