"""Task: every evaluation that is known, for the back-test: those in MLflow, and those kept below the config root."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.errors import CheckFailed
from invarlock.home import home
from invarlock.promotion.backtest import StoredEvaluation, stored_evaluations
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.record import Record
from invarlock.reports.evaluation_manifest import EVIDENCE
from invarlock.reports.sweep_folder import MANIFEST
from tasks.evaluation_log import EXPERIMENT
from tasks.run_evidence import failing_as_altered
from tasks.tracking import SEAL, Tracker
from tasks.tracking_records import RunHandle

_KIND = "evaluation"


class KnownEvaluations(Record):
    """Folders of results. planted_faults: of subjects that are known to be bad."""

    folders: tuple[Path, ...]
    planted_faults: tuple[Path, ...]

    def each(self) -> Iterator[StoredEvaluation]:
        """One at a time. Raises as :func:`stored_evaluations`."""
        return stored_evaluations(self.folders, self.planted_faults)


@task(name="fetch evaluations", cache_policy=NO_CACHE, persist_result=False)
def known_evaluations(folder: Path) -> KnownEvaluations:
    """Those in MLflow are copied into ``folder``, each compared with its run's seal; CheckFailed for an altered one.

    Below the config root they are in ``runtime/evaluations`` and ``runtime/known_faults``, which may be left out.
    """
    tracker = Tracker(home(), EXPERIMENT)
    for run in tracker.find_by_param("kind", _KIND):
        if run.complete:
            with failing_as_altered():
                tracker.download_files(run.run_id, folder / run.run_id, (EVIDENCE, MANIFEST))
        else:
            _ensure_never_sealed(tracker, run)
    kept = RuntimeFiles.of()
    return KnownEvaluations(folders=(folder, kept.evaluations), planted_faults=(kept.known_faults,))


def _ensure_never_sealed(tracker: Tracker, run: RunHandle) -> None:
    """An evaluation that is under way or failed is none yet; whoever reopens a sealed one takes it out of the list."""
    status, params = tracker.look_up(run.run_id)
    if SEAL in params:
        raise CheckFailed(
            f"a finished evaluation has been given another status: {status}",
            where=f"MLflow run {run.run_id}",
            fix="find out who changed it, and make its status FINISHED again",
        )
