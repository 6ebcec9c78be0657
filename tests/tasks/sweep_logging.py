"""A small sweep logged as the flow does it, what MLflow holds afterwards, and a client that dies on the way.

As a program it logs the sweep into the home that is named and kills itself with SIGKILL after the n-th call:
``python sweep_logging.py HOME N`` (0: never).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient

from tasks.tracking import SEAL, RunHandle, Tracker
from tasks.tracking_inputs import DatasetUse, ModelUse

DATASET = DatasetUse("python_docs", "d" * 64, {"provider": "python_docs"}, {"windows": 32})
MODEL = ModelUse("bundled:demo", "e" * 64, "models/demo", "ppl_causal")
WRITES = {"create_run", "update_run", "log_batch", "log_inputs", "log_artifacts", "set_terminated"}
WRITES |= {"create_logged_model", "finalize_logged_model"}
# parent: create, log; cell: create, log, log, inputs, files, end, seal; parent: files, end, seal
WRITES_A_SWEEP = 12


def log_sweep(tracker: Tracker, key: str, content: bytes = b"{}") -> list[RunHandle]:
    """One parent and one cell, with inputs, metrics and files."""
    parent = tracker.sweep_run(key, "null sweep", {"tier": "balanced"}, {"sweep": key})
    cell = tracker.cell_run(parent, "seed_0", "seed 0", {"seed": "0"}, {"sweep": key})
    tracker.log(cell, metrics={"max_z": 1.5, "warnings": 0.0})
    tracker.log_inputs(cell, DATASET, MODEL)
    cell = tracker.finish(cell, {"report.json": content})
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
                "points": len(tracker.client.get_metric_history(run.info.run_id, "max_z")),
                "datasets": len(run.inputs.dataset_inputs),
                "models": len(run.inputs.model_inputs),
                "verified": tracker.download_verified(run.info.run_id, file, folder).is_file(),
            }
        )
    return sorted(rows, key=lambda row: str(row["name"]))


def expected() -> list[dict[str, object]]:
    """What must be there after the sweep, however often it was begun."""
    parent = {"name": "null sweep", "params": sorted(["tier", SEAL]), "points": 0, "datasets": 0, "models": 0}
    cell = {"name": "seed 0", "params": sorted(["seed", SEAL]), "points": 1, "datasets": 1, "models": 1}
    return [row | {"status": "FINISHED", "verified": True} for row in (parent, cell)]


class DyingClient:
    """A client that calls ``die`` once the n-th call that writes has returned."""

    def __init__(self, client: MlflowClient, writes: int, die: Callable[[], None]) -> None:
        self._client = client
        self._left = writes
        self._die = die

    def __getattr__(self, name: str) -> object:
        call = getattr(self._client, name)
        return self._counted(call) if name in WRITES else call

    def _counted(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*positional: object, **named: object) -> object:
            result = call(*positional, **named)
            self._left -= 1
            if self._left == 0:
                self._die()
            return result

        return counted


if __name__ == "__main__":
    program_tracker = Tracker(Path(sys.argv[1]), "sweeps")
    program_tracker.client = DyingClient(
        program_tracker.client, int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL)
    )
    log_sweep(program_tracker, "program")
