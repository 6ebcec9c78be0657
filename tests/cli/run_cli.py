"""Run the command in this process, as a shell would see it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from invarlock.cli.main import main


@dataclass(frozen=True)
class Ran:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


def run_cli(capfd: pytest.CaptureFixture[str], *arguments: object) -> Ran:
    """``invarlock ARGUMENTS``."""
    capfd.readouterr()
    try:
        main([str(argument) for argument in arguments])
        code: object = 0
    except SystemExit as stop:
        code = stop.code or 0
    shown = capfd.readouterr()
    assert isinstance(code, int)
    return Ran(code, shown.out, shown.err)
