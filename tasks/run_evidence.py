"""Task: the calibration run that a patch came from, as MLflow has it, its files compared with the run's seal."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.digests import sha256_hex
from invarlock.errors import CheckFailed, StoreError
from invarlock.promotion.provenance import RunEvidence
from tasks.tracking import SEAL, Tracker

_PATCH = "patch_sha256"


def run_of(tracker: Tracker, patch: bytes) -> str:
    """The id of the run that made ``patch``: the newest that is complete. CheckFailed when there is none."""
    found = tracker.find_by_param(_PATCH, sha256_hex(patch))
    if not found:
        raise CheckFailed(
            f"no calibration run in MLflow made this patch: its sha256 is {sha256_hex(patch)}",
            where=tracker.uri,
            fix="request the patch as `invarlock calibrate` wrote it, with the same INVARLOCK_HOME or MLflow server",
        )
    return next((run for run in found if run.complete), found[0]).run_id


@task(name="fetch run", cache_policy=NO_CACHE, persist_result=False)
def run_evidence(tracker: Tracker, run_id: str, folder: Path) -> RunEvidence:
    """The run and its files, copied into ``folder``. CheckFailed for one that was altered or is gone."""
    try:
        status, params = tracker.look_up(run_id)
        sealed = SEAL in params
        if sealed:
            tracker.download_files(run_id, folder)
    except StoreError as error:
        raise CheckFailed(
            error.what, where=error.where, fix="find out who changed the run, and run the calibration again"
        ) from error
    return RunEvidence(
        mlflow_run_id=run_id,
        status=status,
        sealed=sealed,
        run_key=params.get("run_key"),
        patch_sha256=params.get(_PATCH),
        folder=folder,
    )
