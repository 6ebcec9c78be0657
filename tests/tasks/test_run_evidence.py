"""A calibration run as a promotion reads it from a real MLflow database: by what nobody can overwrite."""

from __future__ import annotations

from pathlib import Path

import pytest

from invarlock.digests import sha256_hex
from invarlock.errors import CheckFailed
from invarlock.promotion.provenance import RunEvidence
from tasks.run_evidence import run_evidence, run_of
from tasks.tracking import RUN_KEY, RunHandle, Tracker
from tasks.tracking_cells import CellRuns
from tests.tasks.sweep_logging import cell_run

PATCH = b"balanced: {}\n"
REPORTS = {f"runs/balanced/seed_{seed}/report.json": sha256_hex(f"{seed}".encode()) for seed in (1, 2)}


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return Tracker(tmp_path_factory.mktemp("home"), "run evidence test")


def sweep(tracker: Tracker, key: str, **params: str) -> tuple[RunHandle, list[RunHandle]]:
    """A finished run with two cells, and these."""
    run = tracker.sweep_run(key, key, {"run_key": key, **params}, {})
    cells = CellRuns(tracker, run)
    children = [
        cells.log(cell_run(f"runs/balanced/seed_{seed}", content=f"{seed}".encode())) for seed in (1, 2)
    ]
    return tracker.finish(run, {"patch.yaml": PATCH}), children


def evidence(tracker: Tracker, run: RunHandle, folder: Path) -> RunEvidence:
    return run_evidence.fn(tracker, run.run_id, folder / "run")


def test_the_run_of_a_patch_is_the_one_whose_parameter_says_so(tracker: Tracker) -> None:
    made, _ = sweep(tracker, "made it", patch_sha256=sha256_hex(PATCH))
    other, _ = sweep(tracker, "says so")
    tracker.tag(made.run_id, "invarlock.patch_sha256", "0" * 64)
    tracker.tag(other.run_id, "invarlock.patch_sha256", sha256_hex(PATCH))
    assert run_of(tracker, PATCH) == made.run_id
    with pytest.raises(CheckFailed, match="no calibration run in MLflow made this patch"):
        run_of(tracker, b"other: {}\n")


def test_a_run_comes_with_the_reports_of_its_cells(tracker: Tracker, tmp_path: Path) -> None:
    run, _ = sweep(tracker, "whole")
    found = evidence(tracker, run, tmp_path)
    assert (found.status, found.sealed, found.run_key) == ("FINISHED", True, "whole")
    assert (found.folder / "patch.yaml").read_bytes() == PATCH
    assert found.cells == REPORTS


def test_a_run_over_parts_comes_with_the_cells_of_its_parts(tracker: Tracker, tmp_path: Path) -> None:
    sweep(tracker, "a part")
    params = {"run_key": "over parts", "run_key.null_sweep": "a part", "run_key.rmt_sweep": "never made"}
    run = tracker.finish(tracker.sweep_run("over parts", "all", params, {}), {"patch.yaml": PATCH})
    assert evidence(tracker, run, tmp_path).cells == {f"null_sweep/{path}": r for path, r in REPORTS.items()}


@pytest.mark.parametrize("harm", ["altered", "tag", "failed", "deleted"])
def test_a_cell_that_was_touched_is_no_evidence(tracker: Tracker, tmp_path: Path, harm: str) -> None:
    run, [_, second] = sweep(tracker, harm)
    match harm:
        case "altered":
            place = tracker.client.get_run(second.run_id).info.artifact_uri.removeprefix("file://")
            (Path(place) / "report.json").write_text("3")
            with pytest.raises(CheckFailed, match="altered after its run was sealed"):
                evidence(tracker, run, tmp_path)
            return
        case "tag":
            tracker.tag(second.run_id, RUN_KEY, "another")
        case "failed":
            tracker.client.set_terminated(second.run_id, "FAILED")
        case "deleted":
            tracker.client.delete_run(second.run_id)
    assert "runs/balanced/seed_2/report.json" not in evidence(tracker, run, tmp_path).cells
