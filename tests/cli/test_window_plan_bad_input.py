"""Bad input to ``invarlock calibrate window-plan``: what is wrong, where, exit 2, and nothing lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.run_cli import run_cli
from tests.flows.sweeps import CLIPPED, NOOP, write_config


def refused(capfd: pytest.CaptureFixture[str], folder: Path, edit: str, *options: object) -> str:
    """What the refused plan printed, on one line; no results, no traceback."""
    config = write_config(folder, edit=edit)
    ran = run_cli(
        capfd,
        *("calibrate", "window-plan", "--config", config, "--out", folder / "out", "--profile", "dev"),
        *("--tier", "balanced", *options),
    )
    printed = " ".join((ran.out + ran.err).split())
    assert ran.code == 2, printed
    assert "Traceback" not in printed
    assert not (folder / "out").exists()
    return printed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--windows", "1"], r"--windows.*x>=2|--windows.*greater than or"),
        (["--target-half-width", "0"], r"greater than 0.*window-plan --help"),
        (["--target-half-width", "-1"], r"--target-half-width"),
        (["--safety-margin", "-0.1"], r"--safety-margin"),
        (["--seed", "-1"], r"--seed"),
        (["--tier", "lenient"], r"lenient"),
        (["--profile", "none"], r"no profile is called 'none'.*ci_cpu"),
        (["--windows", "4000"], r"too little data: \d+ windows.*4000"),
    ],
    ids=" ".join,
)
def test_bad_options(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    printed = refused(capfd, tmp_path, CLIPPED, *options)
    assert re.search(says, printed), printed


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (
            NOOP,
            r"a window plan needs a real edit.*edited?_?6?.*edit\.name.*quant_rtn|a window plan needs a real edit",
        ),
        ("{name: quant_xyz}", r"quant_xyz.*quant_rtn"),
        ("{name: quant_rtn, plan: {bitwidht: 4}}", r"bitwidht.*bitwidth"),
    ],
)
def test_an_edit_that_does_not_do(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], edit: str, says: str
) -> None:
    printed = refused(capfd, tmp_path, edit)
    assert re.search(says, printed), printed
