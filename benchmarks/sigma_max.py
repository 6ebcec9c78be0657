"""sigma_max of every matrix of a GPT-2-small-shaped random checkpoint, against a full SVD of the same.

    python -m benchmarks.sigma_max

Each matrix is drawn, measured by both, and let go; 124 million weights in all. The two take turns on each
matrix, so that a machine that is busy for a while is busy for both.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from invarlock.measure.sigma_max import CONVERGED, estimate_sigma_max

WIDTH, LAYERS = 768, 12
BLOCK = ((WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH))
EMBEDDINGS = ((50257, WIDTH), (1024, WIDTH))
INITIAL_STD = 0.02


@dataclass
class Timing:
    """Seconds spent by both, and the largest relative error, over the matrices of one shape."""

    matrices: int = 0
    lanczos_s: float = 0.0
    svd_s: float = 0.0
    steps: int = 0
    worst_error: float = 0.0

    @property
    def ratio(self) -> float:
        """How many times faster than the full SVD."""
        return self.svd_s / self.lanczos_s

    def row(self, name: str) -> str:
        """A Markdown table row."""
        return (
            f"| {name} | {self.matrices} | {self.svd_s:.2f} | {self.lanczos_s:.3f} | {self.ratio:.1f} "
            f"| {self.steps / self.matrices:.0f} | {self.worst_error:.1e} |"
        )


def matrices() -> Iterator[torch.Tensor]:
    """Weights as GPT-2 is initialised, one at a time."""
    generator = torch.Generator().manual_seed(0)
    for shape in EMBEDDINGS + BLOCK * LAYERS:
        yield INITIAL_STD * torch.randn(shape, generator=generator)


def compare(matrix: torch.Tensor, *timings: Timing) -> None:
    """Measure ``matrix`` both ways and add to each of ``timings``."""
    start = time.perf_counter()
    estimate = estimate_sigma_max(matrix)
    lanczos_s = time.perf_counter() - start
    start = time.perf_counter()
    sigma = float(torch.linalg.svdvals(matrix)[0])
    svd_s = time.perf_counter() - start
    for timing in timings:
        timing.matrices += 1
        timing.lanczos_s += lanczos_s
        timing.svd_s += svd_s
        timing.steps += estimate.steps
        timing.worst_error = max(timing.worst_error, abs(estimate.sigma - sigma) / sigma)


def main() -> None:
    """Print a table by shape, the whole, and one matrix of a 7B model's width beside it."""
    warm_up = torch.randn(WIDTH, WIDTH)
    compare(warm_up, Timing())
    whole, by_shape = Timing(), {shape: Timing() for shape in EMBEDDINGS + BLOCK}
    for matrix in matrices():
        compare(matrix, whole, by_shape[matrix.shape[0], matrix.shape[1]])
    larger = Timing()
    compare(INITIAL_STD * torch.randn(4096, 4096, generator=torch.Generator().manual_seed(1)), larger)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, tol {CONVERGED.tol}\n")
    print("| shape | matrices | svdvals s | lanczos s | times faster | steps | worst relative error |")
    print("|---|---|---|---|---|---|---|")
    for (rows, columns), timing in by_shape.items():
        print(timing.row(f"{rows} x {columns}"))
    print(whole.row("**GPT-2 small, all**"))
    print(larger.row("4096 x 4096"))


if __name__ == "__main__":
    main()
