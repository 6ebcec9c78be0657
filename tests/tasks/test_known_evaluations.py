"""Evaluations in a real MLflow database: none leaves the back-test because somebody touched its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from invarlock.errors import CheckFailed
from invarlock.reports.evaluation_manifest import EVIDENCE
from invarlock.reports.sweep_folder import MANIFEST
from tasks.evaluation_log import EXPERIMENT
from tasks.known_evaluations import known_evaluations
from tasks.tracking import Tracker
from tasks.tracking_records import RunHandle


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return Tracker(tmp_path_factory.mktemp("home"), EXPERIMENT)


@pytest.fixture(scope="module")
def evaluation(tracker: Tracker) -> RunHandle:
    """A finished one; beside it one that failed, and one that is under way."""
    tags = {"invarlock.kind": "evaluation"}
    tracker.fail(tracker.sweep_run("failed", "failed", {"kind": "evaluation"}, tags))
    tracker.sweep_run("under way", "under way", {"kind": "evaluation"}, tags)
    run = tracker.sweep_run("finished", "finished", {"kind": "evaluation"}, tags)
    return tracker.finish(run, {EVIDENCE: b"{}", MANIFEST: b"{}", "page.html": b""})


@pytest.fixture
def scratch(tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARLOCK_HOME", str(tracker.home))
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(tmp_path / "configs"))
    return tmp_path / "scratch"


def fetched(scratch: Path) -> list[str]:
    """The runs whose evidence was fetched."""
    assert known_evaluations.fn(scratch).folders[0] == scratch
    return [path.parent.name for path in scratch.rglob(EVIDENCE)]


def test_it_stays_known_whatever_its_tags_say(tracker: Tracker, evaluation: RunHandle, scratch: Path) -> None:
    tracker.tag(evaluation.run_id, "invarlock.kind", "nothing")
    assert fetched(scratch) == [evaluation.run_id]


def test_it_does_not_leave_by_another_status(tracker: Tracker, evaluation: RunHandle, scratch: Path) -> None:
    tracker.client.set_terminated(evaluation.run_id, "FAILED")
    with pytest.raises(CheckFailed, match="has been given another status: FAILED"):
        fetched(scratch)
    tracker.client.set_terminated(evaluation.run_id, "FINISHED")
    assert fetched(scratch) == [evaluation.run_id]


def test_altered_evidence_is_a_failed_check(tracker: Tracker, evaluation: RunHandle, scratch: Path) -> None:
    place = tracker.client.get_run(evaluation.run_id).info.artifact_uri.removeprefix("file://")
    (Path(place) / EVIDENCE).write_text("[]")
    with pytest.raises(CheckFailed, match="altered after its run was sealed") as refused:
        fetched(scratch)
    assert refused.value.exit_code == 1
    (Path(place) / EVIDENCE).write_text("{}")
    assert fetched(scratch) == [evaluation.run_id]
