"""Bad input to ``invarlock calibrate ve-sweep``: what is wrong, where, exit 2, and nothing lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.cli.run_cli import run_cli
from tests.flows.sweeps import CLIPPED, NOOP, write_config, write_model


def refused(capfd: pytest.CaptureFixture[str], folder: Path, config: Path, *options: object) -> str:
    """What the refused sweep printed, on one line; no results, no traceback."""
    ran = run_cli(
        capfd,
        *("calibrate", "ve-sweep", "--config", config, "--out", folder / "out", "--profile", "dev"),
        *("--tier", "balanced", "--n-seeds", 2, "--window", 6, *options),
    )
    printed = " ".join((ran.out + ran.err).split())
    assert ran.code == 2, printed
    assert "Traceback" not in printed
    assert not (folder / "out").exists()
    return printed


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        ("{bitwidht: 4}", r"bitwidht.*bitwidth"),
        ("{bitwidth: 1}", r"edit\.plan\.bitwidth"),
        ("{group_size: 7}", r"group.*7.*divide.*h\.0\.mlp\.c_fc.*192"),
        ("{module_selectors: ['*.nothing']}", r"module_selectors"),
        ("{scope: norm}", r"edit\.plan\.scope"),
        ("{per_channel: false, group_size: 32}", r"per_channel.*group_size|group_size.*per_channel"),
        ("{max_modules: 0}", r"edit\.plan\.max_modules"),
    ],
)
def test_a_plan_that_does_not_fit(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], plan: str, says: str
) -> None:
    config = write_config(tmp_path, edit=f"{{name: quant_rtn, plan: {plan}}}")
    printed = refused(capfd, tmp_path, config)
    assert re.search(says, printed), printed


def test_an_edit_that_nobody_registered(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    printed = refused(capfd, tmp_path, write_config(tmp_path, edit="{name: quant_xyz}"))
    assert re.search(r"quant_xyz.*quant_rtn", printed), printed


def test_a_noop_is_no_edit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "quant_rtn" in refused(capfd, tmp_path, write_config(tmp_path, edit=NOOP))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--target-enable-rate", "1.5"], r"--target-enable-rate.*less than or"),
        (["--target-enable-rate", "-0.1"], r"--target-enable-rate.*greater than or"),
        (["--window", "1"], r"--window.*greater than or"),
        (["--window", "8", "--window", "8"], r"window count is named twice"),
        (["--rule", "guess"], r"guess.*target-rate"),
        (["--window", "201"], r"201.*200.*max_calib"),
        (["--window", "190"], r"too little data: \d+ windows"),
    ],
    ids=" ".join,
)
def test_bad_options(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    printed = refused(capfd, tmp_path, write_config(tmp_path, edit=CLIPPED), *options)
    assert re.search(says, printed), printed


def test_a_tap_that_names_no_branch(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, edit=CLIPPED)
    config.write_text(config.read_text() + "guards: {variance: {tap: model.layers.*.down_proj}}\n")
    printed = refused(capfd, tmp_path, config)
    assert re.search(r"model\.layers\.\*\.down_proj matches none.*h\.0\.", printed), printed


def test_a_model_without_branches_that_are_known(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "bloom"
    model.mkdir()
    (model / "config.json").write_text(
        json.dumps({"model_type": "bloom", "architectures": ["BloomForCausalLM"]})
    )
    weights = {"transformer.h.0.mlp.dense_4h_to_h.weight": torch.ones(8, 32)}
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    printed = refused(capfd, tmp_path, write_config(tmp_path, model=str(model), edit=CLIPPED))
    assert re.search(r"bloom", printed), printed


def test_experts_that_the_live_model_fuses(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], saved: Callable[[str], Path]
) -> None:
    config = write_config(tmp_path, model=str(saved("mixtral")), edit=CLIPPED)
    printed = refused(capfd, tmp_path, config)
    assert re.search(r"single experts.*experts\.0\.", printed), printed
    assert "weights" not in printed  # before any work


def test_an_edit_that_changes_nothing(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path, 1.02)
    weights = load_file(model / "model.safetensors")
    name = "transformer.h.1.mlp.c_fc.weight"
    save_file(
        weights | {name: torch.zeros_like(weights[name])}, model / "model.safetensors", {"format": "pt"}
    )
    edit = "{name: quant_rtn, plan: {module_selectors: [transformer.h.1.mlp.c_fc]}}"
    printed = refused(capfd, tmp_path, write_config(tmp_path, model=str(model), edit=edit))
    assert re.search(r"quant_rtn changes no bit", printed), printed


def test_a_loss_that_is_not_finite_names_its_windows(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path, 1.02)
    weights = load_file(model / "model.safetensors")
    weights["transformer.ln_f.weight"] = torch.full_like(weights["transformer.ln_f.weight"], 60000.0)
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    config = write_config(tmp_path, model=str(model), edit=CLIPPED)
    config.write_text(config.read_text().replace("device: cpu", "device: cpu, dtype: float16"))
    printed = refused(capfd, tmp_path, config)
    assert re.search(r"not finite.*windows [0-9a-f]{16}", printed), printed
