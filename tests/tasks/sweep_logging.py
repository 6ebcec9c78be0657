"""A small sweep logged as the flow does it, what MLflow holds afterwards, and a client that dies on the way.

As a program it logs the sweep into the home that is named and kills itself with SIGKILL after the n-th call:
``python sweep_logging.py HOME KEY N`` (0: never).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient

from tasks.tracking import SEAL, Tracker
from tasks.tracking_cells import CellRuns
from tasks.tracking_records import CellRun, DatasetUse, ModelUse, RunHandle

DATASET = DatasetUse("python_docs", "d" * 64, {"provider": "python_docs"}, {"windows": 32})
MODEL = ModelUse("bundled:demo", "e" * 64, "models/demo", "ppl_causal")
WRITES = {"create_run", "update_run", "log_batch", "log_inputs", "log_artifacts", "set_terminated"}
WRITES |= {"create_logged_model", "finalize_logged_model"}
CELL_CALLS = ("create_run", "log_inputs", "log_artifacts", "log_batch", "set_terminated")
CALLS = ("create_run", "log_batch", *CELL_CALLS, "log_artifacts", "set_terminated", "log_batch")


def cell_run(key: str, content: bytes = b"{}") -> CellRun:
    """A cell with inputs, metrics and a file."""
    metrics = {"max_z": 1.5, "warnings": 0.0}
    tags = {"sweep": key.partition("/")[0]}
    return CellRun(key, "seed 0", DATASET, MODEL, {"report.json": content}, {"seed": "0"}, metrics, tags)


def log_sweep(tracker: Tracker, key: str, content: bytes = b"{}") -> list[RunHandle]:
    """One parent, with ``content`` in its files, and one cell."""
    parent = tracker.sweep_run(key, "null sweep", {"tier": "balanced"}, {"sweep": key})
    cell = CellRuns(tracker, parent).log(cell_run(f"{key}/seed_0"))
    return [cell, tracker.finish(parent, {"summary.md": b"# done\n", "runs/table.csv": content})]


def what_is_there(tracker: Tracker, key: str, folder: Path) -> list[dict[str, object]]:
    """Every run of a sweep: name, status, params, points of a metric, inputs, and do its files verify."""
    rows = []
    for handle in tracker.find_runs("sweep", key):
        run = tracker.client.get_run(handle.run_id)
        file = "report.json" if "seed" in run.data.params else "summary.md"
        rows.append(
            {
                "name": run.info.run_name,
                "status": run.info.status,
                "params": sorted(run.data.params),
                "metrics": sorted(run.data.metrics),
                "points": len(tracker.client.get_metric_history(run.info.run_id, "max_z")),
                "datasets": len(run.inputs.dataset_inputs),
                "models": len(run.inputs.model_inputs),
                "verified": tracker.download_verified(run.info.run_id, file, folder).is_file(),
            }
        )
    return sorted(rows, key=lambda row: str(row["name"]))


def expected() -> list[dict[str, object]]:
    """What must be there after the sweep, however often it was begun."""
    parent = {"name": "null sweep", "params": sorted(["tier", SEAL]), "metrics": []}
    cell = {"name": "seed 0", "params": sorted(["seed", SEAL]), "metrics": ["max_z", "warnings"]}
    return [
        run | {"points": n, "datasets": n, "models": n, "status": "FINISHED", "verified": True}
        for run, n in ((parent, 0), (cell, 1))
    ]


class Killed(BaseException):
    """Stands for SIGKILL inside one process: nothing in the code catches it."""


class DyingClient:
    """A client that calls ``die`` once the n-th call that writes has returned, and before any later one."""

    def __init__(self, client: MlflowClient, writes: int, die: Callable[[], None]) -> None:
        self.calls: list[str] = []
        self._client = client
        self._writes = writes
        self._die = die

    def __getattr__(self, name: str) -> object:
        call = getattr(self._client, name)
        return self._counted(name, call) if name in WRITES else call

    def _counted(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*positional: object, **named: object) -> object:
            if len(self.calls) == self._writes > 0:
                self._die()
            result = call(*positional, **named)
            self.calls.append(name)
            if len(self.calls) == self._writes:
                self._die()
            return result

        return counted


def program(home: Path, key: str, writes: int) -> subprocess.Popen[bytes]:
    """Start this file as a program, which finds the checkout, installed or not."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, __file__, str(home), key, str(writes)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


if __name__ == "__main__":
    program_tracker = Tracker(Path(sys.argv[1]), "sweeps")
    program_tracker.client = DyingClient(
        program_tracker.client, int(sys.argv[3]), lambda: os.kill(os.getpid(), signal.SIGKILL)
    )
    log_sweep(program_tracker, sys.argv[2])
