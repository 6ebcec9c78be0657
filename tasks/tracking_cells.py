"""The runs of a sweep's cells in MLflow: children of the sweep's run, each logged whole and once.

A child takes five calls: it is created, and gets its inputs, its files, everything else with the seal, and its
end. Only the end makes it complete. A child that a killed process left is given the same again: what it was
made from is under the sweep's key, so its parameters and its seal are the same too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from invarlock.digests import sha256_file
from invarlock.errors import StoreError
from tasks import checksums
from tasks.tracking import PARENT, RUN_KEY, SEAL, Tracker
from tasks.tracking_records import CellRun, RunHandle
from tasks.tracking_store import explained

REPORT = "report.json"  # of a cell, in its run's artifacts and in its folder below the results


class CellRuns:
    """The children of ``parent``.

    They are listed once. Whoever logs a child takes a turn first, which adds a byte to the file that all of them
    lock: while every turn was one's own the list is right, and after another's each child is searched for. A
    server that several homes may share has no such file, so with it each child is searched for as well.
    """

    def __init__(self, tracker: Tracker, parent: RunHandle) -> None:
        self._tracker = tracker
        self._parent = parent
        self._lock = f"cells of {parent.run_key}"
        with tracker.exclusive(self._lock) as turns:
            self._turns = turns.stat().st_size
            children = tracker.find_runs(PARENT, parent.run_id)
        self._known = {child.run_key: child for child in children}

    def log(self, cell: CellRun) -> RunHandle:
        """Log ``cell`` as a complete run; one that is complete already is left as it is.

        StoreError when a killed process had sealed it with other files or parameters.
        """
        key = f"{self._parent.run_key}/{cell.key}"
        known = self._known.get(key)
        if known is not None and known.complete:
            return known
        with self._tracker.exclusive(self._lock) as turns:
            run = self._find(key, turns)
            if run is None:
                run = self._known[key] = self._create(key, cell)
                self._complete(run, cell, sealed=None)
            elif not run.complete:
                self._complete(run, cell, sealed=self._reopen(run))
        self._known[key] = replace(run, complete=True)
        return self._known[key]

    def _find(self, key: str, turns: Path) -> RunHandle | None:
        with turns.open("ab") as file:
            unseen = file.tell() != self._turns
            file.write(b".")  # before the run is made: a process killed in between has taken its turn
        self._turns += 1  # never equal again once another took a turn
        if unseen or not self._tracker.embedded:
            runs = self._tracker.find_runs(RUN_KEY, key)
            return runs[-1] if runs else None
        return self._known.get(key)

    def _create(self, key: str, cell: CellRun) -> RunHandle:
        tracker = self._tracker
        tags = {**cell.tags, RUN_KEY: key, PARENT: self._parent.run_id}
        with explained(tracker.uri):
            run = tracker.client.create_run(tracker.experiment_id, tags=tags, run_name=cell.name)
        return RunHandle(run.info.run_id, key, run.info.start_time, complete=False)

    def _reopen(self, run: RunHandle) -> str | None:
        with explained(self._tracker.uri):
            self._tracker.client.update_run(run.run_id, status="RUNNING")
        return self._tracker.param(run, SEAL)

    def _complete(self, run: RunHandle, cell: CellRun, sealed: str | None) -> None:
        tracker = self._tracker
        with tracker.failing(run), explained(tracker.uri), checksums.staged(cell.files) as (folder, seal):
            if sealed not in (None, seal):
                raise StoreError(
                    "the files of a cell are not those that a killed process sealed",
                    where=f"run {run.run_id}",
                    fix="delete that run in MLflow, and report it: a sweep's key should cover what its files hold",
                )
            tracker.log_inputs(run, cell.dataset, cell.model)
            tracker.client.log_artifacts(run.run_id, str(folder))
            tracker.log(run, params={**cell.params, SEAL: seal}, metrics=cell.metrics)
            tracker.client.set_terminated(run.run_id, "FINISHED")


@lru_cache(maxsize=1)  # of the sweep that is under way
def cell_runs(tracker: Tracker, parent: RunHandle) -> CellRuns:
    """The one list of the children of ``parent`` in this process."""
    return CellRuns(tracker, parent)


def sealed_reports(tracker: Tracker, parent_id: str, parent_key: str) -> Mapping[str, str]:
    """Path below the sweep's results to hex SHA-256 of each complete child's report. StoreError for an altered one.

    Children are found by their tags: one whose tags were overwritten is missing, or is another than its place says.
    """
    found = {}
    with tempfile.TemporaryDirectory(prefix="invarlock-cells-") as scratch:
        for child in tracker.find_runs(PARENT, parent_id):
            if child.complete:
                report = tracker.download_verified(child.run_id, REPORT, Path(scratch))
                found[f"{child.run_key.removeprefix(f'{parent_key}/')}/{REPORT}"] = sha256_file(report)
    return found
