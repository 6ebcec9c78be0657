"""The sweep of tau_infer against one numpy sort of the values, and the memory of a streamed one.

    python -m benchmarks.tau_sweep

1e7 values x 1,000 taus in memory: allowed twice the sort. 1e8 float64 values in an .npy, with labels, swept and
recommended from in a process of its own: allowed 1 GiB of peak resident memory, imports included.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from benchmarks.peak_memory import peak_mb
from invarlock.tau.read_q_abs import read_q_abs
from invarlock.tau.recommend import recommend_tau_infer
from invarlock.tau.requirement import Requirement
from invarlock.tau.sweep import count_taus, tau_infer_sweep_from_q_abs

VALUES, STREAMED, TAUS, ROUNDS = 10**7, 10**8, 1000, 5
ALLOWED_RATIO, ALLOWED_MB = 2.0, 2**30 / 1e6
PART = 10**7
WAYS = {
    "sweep": "sweep of the files",
    "recommend": "recommendation from the files, exact rule",
    "mapped": "the seed's function on a memory map",
}


def draw(n: int, seed: int) -> NDArray[np.float64]:
    """|Q| of a head: many scales."""
    return np.exp(np.random.default_rng(seed).normal(-6, 3, n))


def labels_of(n: int, seed: int) -> NDArray[np.bool_]:
    """Most samples are in range."""
    return np.random.default_rng(seed).random(n) < 0.7


def seconds(call: Callable[[], object]) -> float:
    """Of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratios() -> bool:
    """Print a row a dtype; whether all are allowed. Sort and sweep take turns, so both meet the same neighbours."""
    taus, labels, allowed = draw(TAUS, 1), labels_of(VALUES, 2), True
    print(f"numpy {np.__version__}, {VALUES:,} values x {TAUS:,} taus, {ROUNDS} rounds, medians\n")
    print("| dtype | numpy sort s | sweep s | ratio | allowed |")
    print("|---|---:|---:|---:|---:|")
    for dtype in (np.float64, np.float32):
        values = draw(VALUES, 0).astype(dtype)
        pairs = [
            (
                seconds(lambda values=values: np.sort(values)),  # type: ignore[misc]
                seconds(lambda v=values: tau_infer_sweep_from_q_abs(v, is_in_range=labels, taus=taus)),  # type: ignore[misc]
            )
            for _ in range(ROUNDS)
        ]
        sort, sweep = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(ours / theirs for theirs, ours in pairs)
        print(f"| {np.dtype(dtype)} | {sort:.3f} | {sweep:.3f} | {ratio:.2f} | {ALLOWED_RATIO:g} |")
        allowed = allowed and ratio <= ALLOWED_RATIO
    return allowed


def write_samples(folder: Path) -> None:
    """|Q| and labels, a part in memory at a time."""
    columns: dict[str, Any] = {
        name: open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=(STREAMED,))
        for name, dtype in (("q_abs", np.float64), ("labels", np.bool_))
    }
    for start in range(0, STREAMED, PART):
        columns["q_abs"][start : start + PART] = draw(PART, start)
        columns["labels"][start : start + PART] = labels_of(PART, start)


def measure(folder: Path, way: str) -> None:
    """Print peak memory, seconds and what came out, as JSON. Runs in its own process."""
    taus, start = draw(TAUS, 1), time.perf_counter()
    q_abs, labels = folder / "q_abs.npy", folder / "labels.npy"
    if way == "recommend":
        found = recommend_tau_infer(read_q_abs(q_abs, labels=labels), Requirement(max_fp=0.01))
        result = f"tau_infer {found.tau_infer:.6g}"
    elif way == "sweep":
        counts = count_taus(read_q_abs(q_abs, labels=labels), taus)
        result = f"{counts.in_range.n + counts.censored.n:,} counted"
    else:
        mapped = (np.load(path, mmap_mode="r") for path in (q_abs, labels))
        curves = tau_infer_sweep_from_q_abs(next(mapped), is_in_range=next(mapped), taus=taus)
        result = f"{curves['n']:,} counted"
    print(json.dumps({"peak_mb": peak_mb(), "s": time.perf_counter() - start, "result": result}))


def streamed() -> bool:
    """Print a row a way to read; whether all stay within the memory allowed."""
    print(f"\n{STREAMED:,} float64 values in an .npy, labels in another\n")
    print("| what | s | peak MB | allowed MB | result |")
    print("|---|---:|---:|---:|---|")
    allowed = True
    with tempfile.TemporaryDirectory() as folder:
        write_samples(Path(folder))
        for way in WAYS:
            child = [sys.executable, "-m", "benchmarks.tau_sweep", folder, way]
            done = json.loads(subprocess.run(child, stdout=subprocess.PIPE, text=True, check=True).stdout)
            peak = done["peak_mb"]
            print(f"| {WAYS[way]} | {done['s']:.1f} | {peak:.0f} | {ALLOWED_MB:.0f} | {done['result']} |")
            allowed = allowed and peak <= ALLOWED_MB
    return allowed


def main() -> None:
    """Print both tables; exit 1 when a bound is broken."""
    within = (ratios(), streamed())
    sys.exit(not all(within))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]), sys.argv[2])
    else:
        main()
