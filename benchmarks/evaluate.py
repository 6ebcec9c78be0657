"""The demo evaluation (240 + 240 windows): against bare passes, without guards, by library, by command, repeated.

    python -m benchmarks.evaluate [ROUNDS]

Each round runs, in turn and each in a process of its own: the forward passes of both models and nothing else; an
evaluation by losses alone; the library with every guard and gate, then again for a second subject; the flow with
everything imported beforehand; and the ``invarlock`` command as a user runs it, for the same subject, again where all
is in the store, and for the second subject. All first ones on empty stores, with the Prefect server up and the MLflow
database made. Both subjects are harmless edits of the model, so every form exits with 0. Medians over the rounds;
ratios within a round. A pass is one window through all blocks: counted by hooks, the command's by its own meter. The
command also tries variance equalization, which needs passes that the other forms leave out.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.faults.anatomy import GPT2
from benchmarks.faults.subject_folder import write_subject
from benchmarks.faults.subjects import harmless
from benchmarks.plain_evaluate import BASELINE, PRESET
from benchmarks.timed_process import Served, Timed, served
from invarlock.home import shipped
from invarlock.stats.bca import bca_interval

ALLOWED_WORK = 1.25  # of the bare passes
ALLOWED_GUARDS = 1.10  # of the evaluation by losses alone
PAIRS, REPLICATES, ALLOWED_BCA_S = 400, 3200, 1.0
SUBJECTS = ("8-bit round to nearest", "block matrices"), ("round trip", "through bfloat16")
FLOW = """
import json, sys, time
from pathlib import Path
import mlflow, scipy.stats, transformers.models.gpt2.modeling_gpt2
from flows.evaluate import run_evaluation
from benchmarks.plain_evaluate import request
out = {"out": Path(sys.argv[2]) / "runs", "report_out": Path(sys.argv[2]) / "report"}
start = time.perf_counter()
result = run_evaluation(request(sys.argv[1]).model_copy(update=out | {"variance": False}))
print(json.dumps({"work_s": time.perf_counter() - start, "passes": result.work.forward_passes}))
"""
NAMES = {
    "bare": "bare passes of both models",
    "losses": "losses and ratio, no guards",
    "library": "library calls, every guard and gate",
    "library, second": "library calls, second subject",
    "flow": "flow, imports beforehand, no equalization",
    "command": "command",
    "again": "command again, all in the store",
    "command, second": "command, second subject",
}
Round = dict[str, Timed]


def one_round(folder: Path, services: Served, one: str, other: str) -> Round:
    """Every form once."""

    def plain(form: str, subject: str) -> Timed:
        return services.python(folder / form, "-m", "benchmarks.plain_evaluate", form, subject)

    def command(subject: str) -> Timed:
        return by_command(folder, services, subject)

    return {
        "bare": plain("bare", one),
        "losses": plain("losses", one),
        "library": plain("library", one),
        "library, second": plain("library", other),
        "flow": services.python(folder / "flow", "-c", FLOW, one, str(folder / "out-flow")),
        "command": command(one),
        "again": command(one),
        "command, second": command(other),
    }


def by_command(folder: Path, services: Served, subject: str) -> Timed:
    """The evaluation as a user runs it."""
    asked = ("--baseline", BASELINE, "--subject", subject, "--preset", str(PRESET))
    out = ("--out", str(folder / "out-command"), "--report-out", str(folder / "report" / Path(subject).name))
    return services.python(
        folder / "command", "-m", "invarlock.cli", "evaluate", *asked, *out, "--fresh", "--json"
    )


def bca_seconds() -> float:
    """Of one interval of the release profile, median of five."""
    draw = np.random.default_rng(0)
    deltas, tokens = draw.normal(0.01, 0.05, PAIRS).tolist(), draw.integers(100, 128, PAIRS).tolist()
    seconds = []
    for seed in range(5):
        start = time.perf_counter()
        bca_interval(deltas, tokens, replicates=REPLICATES, seed=seed)
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def main() -> None:
    """Print the table; exit 1 when a subject runs more than its own passes, or the interval is too slow."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory(prefix="invarlock-bench-") as name, served(Path(name)) as services:
        one, other = written_subjects(Path(name))
        rounds = [one_round(Path(name) / str(turn), services, one, other) for turn in range(number)]
    show(rounds)
    interval = bca_seconds()
    print(f"BCa, {PAIRS} pairs, {REPLICATES} replicates: {interval:.3f} s (target < {ALLOWED_BCA_S:g} s)")
    passes = {form: passes_of(timed) for form, timed in rounds[0].items()}
    shared = passes["library"] == passes["bare"] == 2 * passes["library, second"]
    if not shared or passes["again"] or interval >= ALLOWED_BCA_S:
        raise SystemExit(1)


def written_subjects(folder: Path) -> tuple[str, str]:
    """Two harmless edits of the demo model."""
    demo = shipped("models/pydocs-gpt2")
    found = {(each.name, each.strength): each for each in harmless(GPT2)}
    one, other = (
        str(write_subject(demo, found[key], folder / f"subject-{at}")) for at, key in enumerate(SUBJECTS)
    )
    return one, other


def passes_of(timed: Timed) -> float:
    """Forward-pass equivalents: as counted by hooks, or the flow's own count."""
    printed = timed.printed
    return float(printed["passes"] if "passes" in printed else printed["work"]["forward_passes"])


def show(rounds: list[Round]) -> None:
    """The rows of docs/benchmarks.md."""
    print(f"{len(rounds)} rounds, medians\n")
    print("| what | whole process s | work s | passes |\n|---|---:|---:|---:|")
    for form, name in NAMES.items():
        wall = median(r[form].wall_s for r in rounds)
        work = f"{median(r[form].work_s for r in rounds):.1f}" if "work_s" in rounds[0][form].printed else ""
        print(f"| {name} | {wall:.1f} | {work} | {passes_of(rounds[0][form]):g} |")

    print()
    for form in ("library", "flow"):
        passes = median(r[form].work_s / float(r["bare"].printed["passes_s"]) for r in rounds)
        print(
            f"work, {form} / bare: {work_ratio(rounds, form, 'bare')} (target <= {ALLOWED_WORK:g}); / the passes of "
            f"bare alone, text and models not opened: {passes:.2f}"
        )
    guards = work_ratio(rounds, "library", "losses")
    print(f"work, library / losses and ratio, no guards: {guards} (target <= {ALLOWED_GUARDS:g})")
    print(f"work, second subject / first: {work_ratio(rounds, 'library, second', 'library')}")
    judge = median(float(r["library"].printed["judge_s"]) for r in rounds)
    print(f"judging all gates of both runs: {judge:.2f} s")


def work_ratio(rounds: list[Round], form: str, over: str) -> str:
    """Of the work of two forms, in the rounds' median."""
    return f"{median(r[form].work_s / r[over].work_s for r in rounds):.2f}"


if __name__ == "__main__":
    main()
