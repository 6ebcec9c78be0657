"""Bad input to ``invarlock calibrate all``: said before any work of any part, exit 2, and nothing lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.run_cli import run_cli
from tests.flows.sweeps import CLIPPED, NOOP, write_config


@pytest.mark.parametrize(
    ("edit", "options", "says"),
    [
        (NOOP, [], r"needs a real edit.*edit\.name.*quant_rtn"),
        ("{name: quant_rtn, plan: {bitwidht: 4}}", [], r"bitwidht.*bitwidth"),
        ("{name: quant_rtn, plan: {scope: embed}}", [], r"embed|branch"),
        (CLIPPED, ["--seed", "-1"], r"seed -1 is negative"),
        (CLIPPED, ["--null", "odd"], r"odd.*noop"),
        (CLIPPED, ["--profile", "release"], r"too little data: \d+ windows"),
        (CLIPPED, ["--model", "no/such/model"], r"no/such/model"),
    ],
    ids=str,
)
def test_what_is_wrong_with_any_part_is_said_first(
    embedded_home: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    edit: str,
    options: list[str],
    says: str,
) -> None:
    config = write_config(tmp_path, edit=edit)
    ran = run_cli(
        capfd,
        *("calibrate", "all", "--config", config, "--out", tmp_path / "out", "--profile", "dev"),
        *("--tier", "balanced", "--n-seeds", 2, *options),
    )
    printed = " ".join((ran.out + ran.err).split())
    assert ran.code == 2, printed
    assert "Traceback" not in printed
    assert re.search(says, printed), printed
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / ".out.partial").exists()
