"""A calibration run as a promotion reads it from a real MLflow database: by what nobody can overwrite."""

from __future__ import annotations

from pathlib import Path

import pytest

from invarlock.digests import sha256_hex
from invarlock.errors import CheckFailed
from invarlock.promotion.provenance import RunEvidence
from invarlock.promotion.sweep_patch import SweepPatch, parse_sweep_patch
from invarlock.reports.sweep_files import origin_lines
from tasks.run_evidence import run_evidence, run_of
from tasks.tracking import RUN_KEY, Tracker
from tasks.tracking_cells import CellRuns
from tasks.tracking_records import RunHandle
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


def patch_of(run_key: str, text: str = "balanced: {}\n") -> SweepPatch:
    """As the run of ``run_key`` would write it; the rest of its header is of no account here."""
    origin = origin_lines(run_key, "report.json", "c" * 64)
    header = "".join(f"# {line}\n" for line in (*origin, f"base: runtime/tiers.yaml sha256 {'d' * 64}"))
    return parse_sweep_patch((header + text).encode(), Path("patch.yaml"))


def test_the_run_of_a_patch_is_the_one_whose_parameter_says_so(tracker: Tracker) -> None:
    patch = patch_of("a" * 64)
    made, _ = sweep(tracker, "made it", patch_sha256=patch.sha256)
    other, _ = sweep(tracker, "says so")
    tracker.tag(made.run_id, "invarlock.patch_sha256", "0" * 64)
    tracker.tag(other.run_id, "invarlock.patch_sha256", patch.sha256)
    assert run_of(tracker, patch) == made.run_id
    with pytest.raises(CheckFailed, match="no calibration run in MLflow made this patch"):
        run_of(tracker, patch_of("b" * 64))


def test_a_patch_that_was_edited_is_told_by_the_run_that_its_header_names(tracker: Tracker) -> None:
    key = "e" * 64
    patch = patch_of(key)
    run, _ = sweep(tracker, key, patch_sha256=patch.sha256)
    edited = patch_of(key, "balanced: {rmt_guard: {epsilon_by_family: {ffn: 0.5}}}\n")
    told = f"the patch was edited after the run: its sha256 is {edited.sha256[:12]}, the run made {patch.sha256[:12]}"
    with pytest.raises(CheckFailed) as caught:
        run_of(tracker, edited)
    assert (caught.value.what, caught.value.where) == (told, f"MLflow run {run.run_id}")


def test_a_run_that_was_killed_before_it_logged_its_patch_has_to_be_continued(tracker: Tracker) -> None:
    key = "f" * 64
    run = tracker.sweep_run(key, key, {"run_key": key}, {})
    with pytest.raises(CheckFailed, match="the run is not finished: its status is RUNNING") as caught:
        run_of(tracker, patch_of(key))
    assert caught.value.where == f"MLflow run {run.run_id}"


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
