"""Task: every evaluation that is known, for the back-test: those in MLflow, and those kept below the config root."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.home import home
from invarlock.promotion.backtest import StoredEvaluation, stored_evaluations
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.record import Record
from invarlock.reports.evaluation_manifest import EVIDENCE
from invarlock.reports.sweep_folder import MANIFEST
from tasks.evaluation_log import EXPERIMENT
from tasks.tracking import Tracker

_KIND = "evaluation"  # as evaluations are tagged


class KnownEvaluations(Record):
    """Folders of results. planted_faults: of subjects that are known to be bad."""

    folders: tuple[Path, ...]
    planted_faults: tuple[Path, ...]

    def each(self) -> Iterator[StoredEvaluation]:
        """One at a time. Raises as :func:`stored_evaluations`."""
        return stored_evaluations(self.folders, self.planted_faults)


@task(name="fetch evaluations", cache_policy=NO_CACHE, persist_result=False)
def known_evaluations(folder: Path) -> KnownEvaluations:
    """Those in MLflow are copied into ``folder``, each compared with its run's seal; StoreError when one was altered.

    Below the config root they are in ``runtime/evaluations`` and ``runtime/known_faults``, which may be left out.
    """
    tracker = Tracker(home(), EXPERIMENT)
    logged = [run.run_id for run in tracker.find_runs("invarlock.kind", _KIND) if run.complete]
    for run_id in logged:
        tracker.download_files(run_id, folder / run_id, (EVIDENCE, MANIFEST))
    kept = RuntimeFiles.of()
    folders = [folder] * bool(logged) + [kept.evaluations] * kept.evaluations.is_dir()
    return KnownEvaluations(
        folders=tuple(folders), planted_faults=(kept.known_faults,) * kept.known_faults.is_dir()
    )
