"""Task: the calibration run that a patch came from, as MLflow has it, its files compared with the run's seal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.errors import CheckFailed, StoreError
from invarlock.promotion.provenance import FINISHED, RunEvidence, edited, unfinished
from invarlock.promotion.sweep_patch import SweepPatch
from tasks.tracking import SEAL, Tracker
from tasks.tracking_cells import sealed_reports

_PATCH = "patch_sha256"
_KEY = "run_key"
_PART = "run_key."  # of a full calibration, with the part's folder below the results behind it


def run_of(tracker: Tracker, patch: SweepPatch) -> str:
    """The id of the run that made ``patch``: the newest that is complete. CheckFailed when there is none."""
    found = tracker.find_by_param(_PATCH, patch.sha256)
    if not found:
        raise _not_made(tracker, patch)
    return next((run for run in found if run.complete), found[0]).run_id


def _not_made(tracker: Tracker, patch: SweepPatch) -> CheckFailed:
    """Why no run made ``patch``, by what became of the run that its header names."""
    for run in tracker.find_by_param(_KEY, patch.header.run_key):
        made, (status, _) = tracker.param(run, _PATCH), tracker.look_up(run.run_id)
        if made is not None:
            return edited(patch.sha256, made, run.run_id)
        if status != FINISHED:
            return unfinished(status, run.run_id)
    return CheckFailed(
        f"no calibration run in MLflow made this patch: its sha256 is {patch.sha256}, and the run key in its header "
        f"is {patch.header.run_key}",
        where=tracker.uri,
        fix="request the patch as `invarlock calibrate` wrote it, with the same INVARLOCK_HOME or MLflow server",
    )


@task(name="fetch run", cache_policy=NO_CACHE, persist_result=False)
def run_evidence(tracker: Tracker, run_id: str, folder: Path) -> RunEvidence:
    """The run and its files, copied into ``folder``. CheckFailed for one that was altered or is gone."""
    with failing_as_altered():
        status, params = tracker.look_up(run_id)
        sealed = SEAL in params
        if sealed:
            tracker.download_files(run_id, folder)
        return RunEvidence(
            mlflow_run_id=run_id,
            status=status,
            sealed=sealed,
            run_key=params.get(_KEY),
            patch_sha256=params.get(_PATCH),
            folder=folder,
            cells=dict(_cells(tracker, run_id, params)) if sealed else {},
        )


@contextmanager
def failing_as_altered() -> Iterator[None]:
    """Whatever cannot be fetched inside the block is a failed check."""
    try:
        yield
    except StoreError as error:
        raise CheckFailed(
            error.what, where=error.where, fix="find out who changed the run, and make it again"
        ) from error


def _cells(tracker: Tracker, run_id: str, params: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Path below the results and hash of each cell's report: of the run itself, or of the runs of its parts."""
    if _KEY in params:
        yield from sealed_reports(tracker, run_id, params[_KEY]).items()
    for name, key in params.items():
        if name.startswith(_PART):
            for part in tracker.find_by_param(_KEY, key):
                reports = sealed_reports(tracker, part.run_id, key) if part.complete else {}
                yield from (
                    (f"{name.removeprefix(_PART)}/{path}", sha256) for path, sha256 in reports.items()
                )
