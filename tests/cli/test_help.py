"""The help of every command, as a narrow terminal shows it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.cli.run_cli import run_cli


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")


def prose(shown: str) -> list[str]:
    return [line.strip() for line in shown.partition("╭")[0].splitlines()]


def test_a_paragraph_is_broken_where_the_terminal_ends(capfd: pytest.CaptureFixture[str]) -> None:
    lines = prose(run_cli(capfd, "calibrate", "tau-sweep", "--help").out)
    paragraph = lines[lines.index(next(line for line in lines if line.startswith("A sample with"))) :]
    paragraph = paragraph[: paragraph.index("")]
    assert len(paragraph) > 3
    for line, following in pairwise(paragraph):
        assert len(f" {line} {following.split()[0]} ") > 60  # the next word had no room


def test_an_indented_line_of_an_example_stands_alone(capfd: pytest.CaptureFixture[str]) -> None:
    lines = prose(run_cli(capfd, "promote", "--help").out)
    assert "invarlock promote apply ID" in lines
