"""The benchmark as a whole: what a seed finds, the same bytes in every process, the commands around it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from invarlock.digests import digest_of
from invarlock.errors import DataError, ModelError
from invarlock.tau.benchmark.__main__ import main
from invarlock.tau.benchmark.dose import REQUIREMENTS, run_dose, run_seed
from invarlock.tau.benchmark.heads import HEADS
from invarlock.tau.benchmark.modes import Mode, Size
from invarlock.tau.benchmark.training import deterministic
from invarlock.tau.operating_points import choose_operating_points
from invarlock.tau.operating_points_files import AGGREGATED, DIAGNOSTICS, POINTS, SUMMARY
from invarlock.tau.operating_points_seeds import SeedResult
from tests.cli.run_cli import run_cli

TINY = Size(training=400, held_out=4_000, steps=40, width=8)


@pytest.fixture(scope="module")
def seed_1() -> SeedResult:
    with deterministic():
        return run_seed(1, TINY, "cpu")


def test_a_seed_gives_the_same_bits_again_and_another_seed_others(seed_1: SeedResult) -> None:
    torch.rand(5)  # the random state outside does not matter
    with deterministic():
        assert digest_of(run_seed(1, TINY, "cpu")) == digest_of(seed_1)
        assert digest_of(run_seed(2, TINY, "cpu")) != digest_of(seed_1)


def test_a_candidate_for_each_head_and_requirement(seed_1: SeedResult) -> None:
    expected = [f"{head}@fp{requirement.max_fp:g}" for head in HEADS for requirement in REQUIREMENTS]
    assert [candidate.name for candidate in seed_1.candidates] == expected


def test_metrics_of_the_gate_are_the_counts_of_the_sweep(seed_1: SeedResult) -> None:
    # The gate decodes P / Q; the sweep only sees |Q|. Both look at the evaluation split.
    for candidate in seed_1.candidates:
        gate, sweep = candidate.metrics, candidate.evaluation
        assert sweep is not None
        assert (gate.fp_cens, gate.fn_in, gate.bottom_rate) == (sweep.fp_cens, sweep.fn_in, sweep.bottom_rate)
        assert gate.fault_rate == sweep.n_fault / sweep.n
        assert gate.accept_rate == pytest.approx(1 - sweep.bottom_count / sweep.n)


def test_tau_is_calibrated_on_the_other_split(seed_1: SeedResult) -> None:
    assert seed_1.split is not None
    assert seed_1.split.n_calibration + seed_1.split.n_evaluation == TINY.held_out
    for candidate in seed_1.candidates:
        recommendation, evaluation = candidate.recommendation, candidate.evaluation
        assert recommendation is not None
        assert recommendation.calibration is not None
        assert evaluation is not None
        assert candidate.tau_infer == recommendation.tau_infer == evaluation.tau
        assert recommendation.calibration.n == seed_1.split.n_calibration
        assert evaluation.n == seed_1.split.n_evaluation
        assert recommendation.calibration.fp_cens_count <= (recommendation.k or 0)


def test_only_the_formula_read_backwards_has_faults(seed_1: SeedResult) -> None:
    faults = {candidate.name: candidate.metrics.fault_rate for candidate in seed_1.candidates}
    assert {name for name, rate in faults.items() if rate} == {"closed_form@fp0.01", "closed_form@fp0.1"}
    assert choose_operating_points([seed_1]).bottom_cost.startswith("fault_rate")


def test_results_of_other_seeds_are_not_averaged_with_these(tmp_path: Path) -> None:
    (tmp_path / "seed_5.json").write_text("{}")
    with pytest.raises(DataError, match=r"seed_5\.json") as caught:
        run_dose(Mode.SMOKE, seeds=range(2), device="cpu", out=tmp_path)
    assert caught.value.where == str(tmp_path)


def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="tpu"):
        run_dose(Mode.SMOKE, seeds=range(1), device="tpu", out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_help_teaches(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dose", "--help"])
    assert ended.value.code == 0
    told = capfd.readouterr().out
    for part in (
        "python -m invarlock.tau.benchmark dose --mode smoke",
        "invarlock calibrate tau-operating-points",
    ):
        assert part in told


def test_an_error_is_told_and_ends_with_its_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "seed_5.json").write_text("{}")
    with pytest.raises(SystemExit) as ended:
        main(["dose", "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert capfd.readouterr().err.startswith("error: results of other seeds are here: seed_5.json")


def test_the_seeds_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dose", "--mode", "smoke", "--seeds", "1", "--device", "cpu", "--out", str(tmp_path)])
    assert ended.value.code == 0
    told = capfd.readouterr().out
    assert (tmp_path / AGGREGATED / SUMMARY).read_text(encoding="utf-8") in told
    assert f"written to {tmp_path / AGGREGATED}" in told
    assert {path.name for path in files(tmp_path)} == {"seed_0.json", POINTS, SUMMARY, DIAGNOSTICS}


@pytest.mark.slow
def test_the_seeds_command_writes_the_same_bytes_twice(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / "1", tmp_path / "2"]
    for folder in folders:
        surroundings = os.environ | {"PYTHONHASHSEED": folder.name, "OMP_NUM_THREADS": folder.name}
        asked = ("dose", "--mode", "smoke", "--seeds", "1", "--device", "cpu", "--out", str(folder))
        command = [sys.executable, "-m", "invarlock.tau.benchmark", *asked]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=surroundings)
        assert "safety_first" in done.stdout
    first, second = (
        {path.relative_to(folder): hash_of(path) for path in files(folder)} for folder in folders
    )
    assert first == second
    assert {path.name for path in first} == {"seed_0.json", POINTS, SUMMARY, DIAGNOSTICS}
    # Choosing again from the seed's file gives the same three files.
    assert (
        run_cli(capfd, "calibrate", "tau-operating-points", "--seed-results", folders[0], "--quiet").code == 0
    )
    assert {path.relative_to(folders[0]): hash_of(path) for path in files(folders[0])} == first


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
