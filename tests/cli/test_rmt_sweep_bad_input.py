"""Bad input to ``invarlock calibrate rmt-sweep``: what is wrong, where, exit 2, and nothing left behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.cli.run_cli import run_cli
from tests.flows.sweeps import CLIPPED, write_config, write_model


def refused(capfd: pytest.CaptureFixture[str], folder: Path, config: Path, *options: object) -> str:
    """What the refused sweep printed, on one line; no results, no traceback."""
    ran = run_cli(
        capfd,
        *("calibrate", "rmt-sweep", "--config", config, "--out", folder / "out", "--profile", "dev"),
        *("--n-seeds", 2, *options),
    )
    printed = " ".join((ran.out + ran.err).split())
    assert ran.code == 2, printed
    assert "Traceback" not in printed
    assert not (folder / "out").exists()
    return printed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--quantile", "0.9"], r"--quantile.*0\.95"),
        (["--quantile", "1"], r"--quantile.*0\.99"),
        (["--safety-margin", "-0.1"], r"--safety-margin.*greater than or"),
        (["--safety-margin", "nan"], r"--safety-margin"),
        (["--safety-margin", "inf"], r"finite number"),
        (["--tier", "gentle"], r"gentle.*balanced"),
        (["--null", "noop"], r"noop.*redraw"),
        (["--seed", "-1"], r"seed -1 is negative"),
        (["--profile", "nightly"], r"nightly"),
    ],
    ids=" ".join,
)
def test_options_out_of_range(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    printed = refused(capfd, tmp_path, write_config(tmp_path), *options)
    assert re.search(says, printed), printed


def test_an_edit_is_no_null(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "needs the edit noop" in refused(capfd, tmp_path, write_config(tmp_path, edit=CLIPPED))


def test_an_activation_that_is_not_finite_names_its_module(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = write_model(tmp_path, 1.04)
    weights = load_file(model / "model.safetensors")
    name = "transformer.h.2.ln_1.weight"
    save_file(
        weights | {name: torch.full_like(weights[name], 6e4)}, model / "model.safetensors", {"format": "pt"}
    )
    config = write_config(tmp_path, model=str(model))
    config.write_text(config.read_text().replace("device: cpu", "device: cpu, dtype: float16"))
    printed = refused(capfd, tmp_path, config, "--tier", "balanced")
    assert re.search(r"no edge risk.*transformer\.h\.2\..*windows [0-9a-f]{16}", printed), printed
