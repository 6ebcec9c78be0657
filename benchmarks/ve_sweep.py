"""The demo VE sweep (3 tiers x 6, 8, 12, 16 windows x 10 seeds): cell by cell, by library calls, by command, repeated.

    python -m benchmarks.ve_sweep [ROUNDS]

Each round runs, in turn and each in a process of its own: every cell by itself, the library without an orchestrator,
and the ``invarlock`` command as a user runs it, the last two on empty stores, with the Prefect server up and the
MLflow database made; then the command once more, where everything is in the store. Medians over the rounds; ratios
within a round. A pass is one window through all blocks; the first two forms' are counted by hooks, the command's by
its own meter. All forms must agree on every cell, else this fails.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from benchmarks.plain_ve_sweep import CONFIG
from benchmarks.timed_process import Served, Timed, served
from invarlock.reports.ve_sweep_files import PATCH, REPORT, RUNS
from invarlock.reports.ve_sweep_report import VeSweepReport

ALLOWED_PASSES = 1.1  # of the distinct need
SAME_DELTA = 1e-9  # nats per token
Round = dict[str, Timed]


def one_round(folder: Path, services: Served) -> Round:
    """Every form of the sweep once."""
    out = folder / "out-library"
    measured = {
        "naive": services.python(folder / "naive", "-m", "benchmarks.naive_ve_sweep"),
        "library": services.python(folder / "library", "-m", "benchmarks.plain_ve_sweep", str(out)),
        "command": by_command(folder, services),
        "again": by_command(folder, services),
    }
    check_same(measured["naive"].printed["deltas"], folder)
    return measured


def by_command(folder: Path, services: Served) -> Timed:
    """The sweep as a user runs it."""
    return services.calibrate(folder / "command", "ve-sweep", CONFIG, folder / "out-command")


def check_same(naive: Mapping[str, float | None], folder: Path) -> None:
    """Fail unless all forms have the same mean deltas, and the last two the same patch."""
    ours = deltas(folder / "out-library")
    for name, delta in naive.items():
        if (delta is None) != (ours[name] is None) or abs((delta or 0) - (ours[name] or 0)) > SAME_DELTA:
            raise SystemExit(f"{name}: mean delta {delta} cell by cell, {ours[name]} by the library")
    by_form = [folder / out for out in ("out-library", "out-command")]
    if len({(out / PATCH).read_bytes() for out in by_form}) > 1 or deltas(by_form[1]) != ours:
        raise SystemExit("library and command differ")


def deltas(out: Path) -> dict[str, float | None]:
    """Mean delta of each cell that was evaluated, by its folder, from the sweep's CSV."""
    with (out / RUNS).open() as file:
        return {
            f"runs/{row['tier']}/windows_{row['windows']}/seed_{row['seed']}": (
                float(row["predictive_mean_delta"]) if row["predictive_mean_delta"] else None
            )
            for row in csv.DictReader(file)
        }


def main() -> None:
    """Print the table; exit 1 when more passes are run than allowed."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory(prefix="invarlock-bench-") as name, served(Path(name)) as services:
        rounds = [one_round(Path(name) / str(turn), services) for turn in range(number)]
        written = (Path(name) / "0" / "out-command" / REPORT).read_bytes()
    counts = VeSweepReport.model_validate_json(written).measurements
    passes = {form: passes_of(timed) for form, timed in rounds[0].items()}
    show(rounds, passes, counts.window_losses)
    print(f"run by run it would be {counts.window_losses_run_by_run}, with a pass of each arm in every cell")
    if passes["library"] > ALLOWED_PASSES * counts.window_losses or passes["again"] > 0:
        raise SystemExit(1)


def passes_of(timed: Timed) -> float:
    """Forward-pass equivalents: as counted by hooks, or the command's own count."""
    printed = timed.printed
    return float(printed["passes"] if "passes" in printed else printed["work"]["forward_passes"])


def show(rounds: list[Round], passes: Mapping[str, float], need: int) -> None:
    """The rows of docs/benchmarks.md."""
    names = {
        "naive": "cell by cell, passes only",
        "library": "library calls, no orchestrator",
        "command": "command",
        "again": "command again, all in the store",
    }
    print(f"{len(rounds)} rounds, medians; all forms agree on every mean delta to {SAME_DELTA:g}\n")
    print("| what | whole process s | work s | passes | of the distinct need |\n|---|---:|---:|---:|---:|")
    for form, name in names.items():
        wall = median(r[form].wall_s for r in rounds)
        work = f"{median(r[form].work_s for r in rounds):.1f}" if "work_s" in rounds[0][form].printed else ""
        print(f"| {name} | {wall:.1f} | {work} | {passes[form]:g} | {passes[form] / need:.2f} |")
    by_library = median(r["naive"].work_s / r["library"].work_s for r in rounds)
    by_command = median(r["naive"].wall_s / r["command"].wall_s for r in rounds)
    heads = rounds[0]["library"].printed["heads"]
    print(f"\ndistinct need: {need} window losses (target: passes <= {ALLOWED_PASSES:g} x it)")
    print(f"passes, cell by cell / library: {passes['naive'] / passes['library']:.1f}")
    print(
        f"work, cell by cell / library: {by_library:.1f}; whole process, cell by cell / command: {by_command:.1f}"
    )
    print(f"{heads} of the library's passes, shortened or not, go through embeddings and head")


if __name__ == "__main__":
    main()
