from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.run_cli import run_cli
from tests.tau.test_operating_points_files import fill, metric, result

COMMAND = ("calibrate", "tau-operating-points", "--seed-results")


def test_shows_the_choice_and_where_to_go_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_cli(capfd, *COMMAND, fill(tmp_path / "dose", result(0), result(1)), "--out", tmp_path / "out")
    assert ran.code == 0
    for part in (
        "safety_first    rational  tau_infer by seed: 0.01, 1.01",
        "accuracy_first  plain",
        "Next",
        "0.1250",
    ):
        assert part in ran.out
    assert str(tmp_path / "out" / "aggregated" / "dose_operating_points.md") in ran.out


def test_a_choice_that_accepts_everything_carries_a_warning(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one = result(0)
    one["candidates"][1]["metrics"] |= {"fp_cens": 1.0, "fn_in": 0.0}
    ran = run_cli(capfd, *COMMAND, fill(tmp_path / "dose", one))
    assert ran.code == 0
    after = ran.out[ran.out.index("accuracy_first  plain") :].splitlines()
    assert after[1] == "warning: fp_cens is 1: it accepts every censored sample"
    assert ran.out.count("warning") == 1


def test_json_is_the_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = fill(tmp_path / "dose", result(0))
    ran = run_cli(capfd, *COMMAND, folder, "--json")
    written = (folder / "aggregated" / "dose_operating_points.json").read_text()
    assert json.loads(ran.out) == json.loads(written)
    assert run_cli(capfd, *COMMAND, folder, "--quiet").out.strip() == str(folder / "aggregated")


def test_a_preset_without_a_candidate_exits_with_1(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = fill(tmp_path / "dose", result(0))
    ran = run_cli(capfd, *COMMAND, folder, "--coverage-floor", 0.9)
    assert ran.code == 1
    assert "safety_first    none: no candidate has a known coverage of 0.9 or more" in ran.out
    record = json.loads((folder / "aggregated" / "dose_operating_points.json").read_text())
    assert record["operating_points"]["safety_first"]["candidate"] is None


def test_bad_input_exits_with_2_and_names_file_and_key(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = fill(tmp_path / "dose", metric("fp_cens", 2))
    ran = run_cli(capfd, *COMMAND, folder)
    assert ran.code == 2
    assert "candidates[0].metrics.fp_cens" in ran.err
    assert f"{folder / 'seed_0.json'}:" in ran.err
    ran = run_cli(capfd, *COMMAND, folder, "--coverage-floor", 0)
    assert ran.code == 2
    assert run_cli(capfd, *COMMAND, tmp_path / "none").code == 2
