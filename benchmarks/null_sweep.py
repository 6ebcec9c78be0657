"""The demo null sweep (3 tiers x 10 seeds): against a bare loop, against plain library calls, and repeated.

    python -m benchmarks.null_sweep [ROUNDS]

Each round runs, in turn and each in a process of its own: the bare loop (the same distinct forward passes and
estimates, nothing kept), the library without an orchestrator, the flow with everything imported beforehand, and
the ``invarlock`` command as a user runs it; all but the bare loop on an empty store, with the Prefect server up
and the MLflow database made. Then the command once more, where everything is in the store. Medians over the
rounds; ratios within a round.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.plain_sweep import CONFIG
from tasks.local_services import prefect_api_url, prefect_home, prefect_server, quiet_environment
from tasks.tracking_store import prepare_tracking_store

FLOW = """
import json, sys, time
from pathlib import Path
from typing import Any
import mlflow, transformers.models.gpt2.modeling_gpt2, matplotlib.backends.backend_svg, matplotlib.backends.backend_agg
import scipy.stats
from flows.null_sweep import run_null_sweep
from benchmarks.plain_sweep import request
start = time.perf_counter()
result = run_null_sweep(request(Path(sys.argv[1])))
print(json.dumps({"work_s": time.perf_counter() - start, **result.work.model_dump()}))
"""


@dataclass(frozen=True)
class Timed:
    """Seconds of a whole process, and what it printed."""

    wall_s: float
    printed: dict[str, Any]

    @property
    def work_s(self) -> float:
        """Seconds of the work alone, as the process measured them."""
        return float(str(self.printed["work_s"]))


def run(environment: dict[str, str], home: Path, *command: str) -> Timed:
    """Run a command that prints JSON, all its stores in ``home``."""
    prefect_home(home).mkdir(parents=True, exist_ok=True)
    prepare_tracking_store(home)
    start = time.perf_counter()
    done = subprocess.run(
        command,
        # Task results under the home too: with those of another one the work would be skipped.
        env={**environment, **quiet_environment(home), "INVARLOCK_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    wall = time.perf_counter() - start
    return Timed(wall, json.loads(done.stdout[done.stdout.index("{") :]))


def one_round(folder: Path, environment: dict[str, str]) -> dict[str, Timed]:
    """Every form of the sweep once."""
    python = sys.executable
    command = [
        *(python, "-m", "invarlock.cli", "calibrate", "null-sweep", "--config", str(CONFIG), "--json"),
        *("--fresh", "--out", str(folder / "out-command")),
    ]
    plain = (python, "-m", "benchmarks.plain_sweep")
    return {
        "bare": run(environment, folder / "bare", *plain, "bare", str(folder / "out-bare")),
        "library": run(environment, folder / "library", *plain, "library", str(folder / "out-library")),
        "flow": run(environment, folder / "flow", python, "-c", FLOW, str(folder / "out-flow")),
        "command": run(environment, folder / "command", *command),
        "again": run(environment, folder / "command", *command),
    }


def main() -> None:
    """Print the table."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory(prefix="invarlock-bench-") as name:
        folder = Path(name)
        server = prefect_server(folder / "server")
        start = time.perf_counter()
        api = prefect_api_url(server.start().url)
        server_s = time.perf_counter() - start
        environment = {
            **os.environ,
            "PREFECT_API_URL": api,
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        try:
            measured = [one_round(folder / str(number), environment) for number in range(rounds)]
        finally:
            server.stop()
    show(measured, server_s)


def show(rounds: list[dict[str, Timed]], server_s: float) -> None:
    """The rows of docs/benchmarks.md."""

    def median(values: list[float]) -> float:
        return statistics.median(values)

    work = {name: median([r[name].work_s for r in rounds]) for name in ("bare", "library", "flow")}
    wall = {name: median([r[name].wall_s for r in rounds]) for name in rounds[0]}
    ratio = median([r["flow"].work_s / r["bare"].work_s for r in rounds])
    over = median([r["command"].wall_s - r["library"].wall_s for r in rounds])
    counts = rounds[0]["flow"].printed["measured"]
    print(
        f"{len(rounds)} rounds, medians; Prefect server start on a fresh home {server_s:.1f} s (not in any row)\n"
    )
    print("| what | whole process s | work s |\n|---|---:|---:|")
    print(f"| bare loop | {wall['bare']:.1f} | {work['bare']:.1f} |")
    print(f"| library calls, no orchestrator | {wall['library']:.1f} | {work['library']:.1f} |")
    print(f"| flow, imports beforehand | {wall['flow']:.1f} | {work['flow']:.1f} |")
    print(f"| command | {wall['command']:.1f} | |")
    print(f"| command again, all in the store | {wall['again']:.1f} | |")
    print(f"\nflow work / bare loop: {ratio:.2f} (target <= 1.25)")
    print(f"command over library, whole process: {over:+.1f} s (target <= 4 s)")
    print(f"measured: {counts['window_loss']} window losses, {counts['tensor_stats']} matrices")


if __name__ == "__main__":
    main()
