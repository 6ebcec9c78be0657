"""The demo null sweep (3 tiers x 10 seeds): against a bare loop, against plain library calls, and repeated.

    python -m benchmarks.null_sweep [ROUNDS]

Each round runs, in turn and each in a process of its own: the bare loop (the same distinct forward passes and
estimates, nothing kept), the library without an orchestrator, the flow with everything imported beforehand, and
the ``invarlock`` command as a user runs it; all but the bare loop on an empty store, with the Prefect server up
and the MLflow database made. Then the command once more, where everything is in the store. At last a sweep of a
minute, ``--null benign``, by library and by command: what orchestration costs where there is work. Medians over the
rounds; ratios within a round.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.plain_sweep import CONFIG
from benchmarks.timed_process import Served, Timed, served
from invarlock.calibration.null_request import NullKind

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
PLAIN = ("-m", "benchmarks.plain_sweep")
Round = dict[str, Timed]


def default_round(folder: Path, services: Served) -> Round:
    """Every form of the default sweep once."""
    return {
        "bare": services.python(folder / "bare", *PLAIN, "bare", str(folder / "out-bare")),
        "flow": services.python(folder / "flow", "-c", FLOW, str(folder / "out-flow")),
        **library_and_command(folder, services, NullKind.NOOP),
        "again": by_command(folder, services, NullKind.NOOP),
    }


def library_and_command(folder: Path, services: Served, null: NullKind) -> Round:
    """A sweep by plain calls and by command, both on empty stores."""
    out = str(folder / "out-library")
    return {
        "library": services.python(folder / "library", *PLAIN, "library", out, null.value),
        "command": by_command(folder, services, null),
    }


def by_command(folder: Path, services: Served, null: NullKind) -> Timed:
    """A sweep as a user runs it."""
    out = folder / "out-command"
    return services.calibrate(folder / "command", "null-sweep", CONFIG, out, "--null", null.value)


def main() -> None:
    """Print the tables."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory(prefix="invarlock-bench-") as name, served(Path(name)) as services:
        default, minute = [], []
        for number in range(rounds):
            default.append(default_round(Path(name) / f"default-{number}", services))
            minute.append(library_and_command(Path(name) / f"minute-{number}", services, NullKind.BENIGN))
    print(
        f"{rounds} rounds, medians; Prefect server start on a fresh home {services.start_s:.1f} s (in no row)\n"
    )
    show_default(default)
    show_minute(minute)


def show_default(rounds: Sequence[Round]) -> None:
    """The rows of the default sweep in docs/benchmarks.md."""
    work = {name: median(r[name].work_s for r in rounds) for name in ("bare", "library", "flow")}
    wall = {name: median(r[name].wall_s for r in rounds) for name in rounds[0]}
    ratio = median(r["flow"].work_s / r["bare"].work_s for r in rounds)
    counts = rounds[0]["flow"].printed["measured"]
    print("| what | whole process s | work s |\n|---|---:|---:|")
    print(f"| bare loop | {wall['bare']:.1f} | {work['bare']:.1f} |")
    print(f"| library calls, no orchestrator | {wall['library']:.1f} | {work['library']:.1f} |")
    print(f"| flow, imports beforehand | {wall['flow']:.1f} | {work['flow']:.1f} |")
    print(f"| command | {wall['command']:.1f} | |")
    print(f"| command again, all in the store | {wall['again']:.1f} | |")
    print(f"\nflow work / bare loop: {ratio:.2f} (target <= 1.25)")
    print(f"command over library, whole process: {over(rounds):+.1f} s")
    print(f"measured: {counts['window_loss']} window losses, {counts['tensor_stats']} matrices\n")


def show_minute(rounds: Sequence[Round]) -> None:
    """The longer sweep, and in which of its parts the command spends more."""
    counts = rounds[0]["command"].printed["work"]["measured"]
    library = median_parts([r["library"].wall_s for r in rounds], [r["library"].printed for r in rounds])
    command = median_parts(
        [r["command"].wall_s for r in rounds], [r["command"].printed["work"] for r in rounds]
    )
    names = ("plan", "measure and judge; the command logs the runs", "imports, files, exit", "whole process")
    print("`--null benign`, another edit for each seed:\n")
    print("| part | library calls s | command s |\n|---|---:|---:|")
    for name, plain, ordered in zip(names, library, command, strict=True):
        print(f"| {name} | {plain:.1f} | {ordered:.1f} |")
    print(f"\ncommand over library, whole process: {over(rounds):+.1f} s (target <= 4 s)")
    print(f"measured: {counts['window_loss']} window losses, {counts['tensor_stats']} matrices")


def median_parts(walls: Sequence[float], printed: Sequence[Mapping[str, Any]]) -> list[float]:
    """Seconds of planning, of measuring, of all the rest, and of the process."""
    plans, measures = zip(*(one["seconds"].values() for one in printed), strict=True)
    rests = [wall - sum(parts) for wall, *parts in zip(walls, plans, measures, strict=True)]
    return [median(part) for part in (plans, measures, rests, walls)]


def over(rounds: Sequence[Round]) -> float:
    """Seconds that the command takes longer than the library calls."""
    return median(r["command"].wall_s - r["library"].wall_s for r in rounds)


if __name__ == "__main__":
    main()
