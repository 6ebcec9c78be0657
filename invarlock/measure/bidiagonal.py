"""The Lanczos process of ``sigma_max``: W V = U B, with V kept orthonormal and B bidiagonal."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal

_BLOCK_BYTES = 1 << 20  # a block of rows that stays in a core's cache between its two products
_IN_CACHE_BYTES = 24 << 20  # a matrix of this size stays in a last-level cache from step to step


class Bidiagonalisation:
    """Golub-Kahan-Lanczos on ``tall`` (rows >= columns) from ``start``, at most ``limit`` steps.

    Keeps ``steps`` right vectors (columns long) and one left vector (rows long).
    """

    def __init__(self, tall: torch.Tensor, start: torch.Tensor, limit: int) -> None:
        rows, columns = tall.shape
        self._basis = torch.empty(min(limit, columns) + 1, columns, dtype=tall.dtype)
        self._basis[0] = start / torch.linalg.vector_norm(start)
        self._left = torch.zeros(rows, dtype=tall.dtype)
        self._blocks = _split(tall)
        self._tiny = float(torch.finfo(tall.dtype).eps) * 4
        self._alphas: list[float] = []
        self._betas: list[float] = []  # one per alpha, the coupling to the next vector

    @property
    def steps(self) -> int:
        """Steps taken: one product with W and one with its transpose each."""
        return len(self._alphas)

    def step(self) -> bool:
        """Take one step. False when there is none left: at the limit, or in an invariant subspace."""
        done = self.steps
        if done == len(self._basis) - 1 or (done and self._betas[-1] == 0.0):
            return False
        back = self._products(self._basis[done], self._betas[-1] if done else 0.0)
        alpha = float(torch.linalg.vector_norm(self._left))
        scale = max([alpha, *self._alphas])
        if alpha <= self._tiny * scale:
            self._alphas.append(0.0)
            self._betas.append(0.0)
            return True
        self._left /= alpha
        known = self._basis[: done + 1]
        back /= alpha
        for _ in range(2):  # twice is enough (Parlett and Kahan)
            back.addmv_(known.T, torch.mv(known, back), alpha=-1.0)
        beta = float(torch.linalg.vector_norm(back))
        self._alphas.append(alpha)
        self._betas.append(beta if beta > self._tiny * scale else 0.0)
        torch.div(back, beta or 1.0, out=self._basis[done + 1])
        return True

    def top_value(self) -> tuple[float, float]:
        """The largest singular value of B, and the residual of its triplet in exact arithmetic."""
        sigma, weights = self._top()
        return sigma, self._betas[-1] * self._alphas[-1] * abs(float(weights[-1])) / sigma

    def top_vector(self) -> torch.Tensor:
        """The right singular vector that belongs to it, shape (columns,)."""
        _, weights = self._top()
        return self._basis[: self.steps].T @ torch.from_numpy(weights).to(self._basis.dtype)

    def _products(self, right: torch.Tensor, beta: float) -> torch.Tensor:
        """Turn the left vector u into W v - beta u, and return W^T times it. Each block is read once."""
        self._left *= -beta
        back = torch.zeros_like(right)
        for rows, block in self._blocks:
            part = self._left[rows]
            part.addmv_(block, right)
            back.addmv_(block.T, part)
        return back

    def _top(self) -> tuple[float, np.ndarray]:
        alphas, betas = np.array(self._alphas), np.array(self._betas)
        diagonal = alphas**2
        diagonal[1:] += betas[:-1] ** 2
        last = len(alphas) - 1
        values, vectors = eigh_tridiagonal(
            diagonal, alphas[:-1] * betas[:-1], select="i", select_range=(last, last)
        )
        return float(values[0]) ** 0.5, vectors[:, 0]


def _split(tall: torch.Tensor) -> list[tuple[slice, torch.Tensor]]:
    """Blocks of rows. A matrix that stays in cache, or whose rows are not contiguous, is one block."""
    row_bytes = tall.shape[1] * tall.element_size()
    whole = tall.shape[0] * row_bytes <= _IN_CACHE_BYTES or tall.stride(1) != 1
    height = tall.shape[0] if whole else max(1, _BLOCK_BYTES // row_bytes)
    starts = range(0, tall.shape[0], height)
    return [(slice(start, start + height), tall[start : start + height]) for start in starts]
