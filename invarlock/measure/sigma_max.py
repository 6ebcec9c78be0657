"""The largest singular value of a matrix, with a certificate.

Golub-Kahan-Lanczos bidiagonalisation [1] from a seeded Gaussian start, each new right vector reorthogonalised
against all before it (the short side alone suffices [2]). It stops at a relative residual of ``tol``; the
triplet found is then checked on the matrix itself.

What the certificate says. For unit u, v with W v = s u and r = ||W^T u - s v||:

- guaranteed (but for rounding, an estimate of which is added to r): sigma_max >= s, and some singular value
  is within r of s;
- not guaranteed by any method that starts from one random vector: that it is the *largest* one. Lanczos errs
  if the start happens to be nearly orthogonal to the top direction and a second value is very near: with the
  default tol, 2 of 540 simulated near-duplicate pairs (docs/decisions/0021-sigma-max-stop.md). The true error
  is otherwise of second order in r, far below it.

References
----------
[1] G. Golub, W. Kahan, Calculating the singular values and pseudo-inverse of a matrix, SIAM J. Num. Anal. 2
    (1965).
[2] H. Simon, H. Zha, Low-rank matrix approximation using the Lanczos bidiagonalization process, SIAM J. Sci.
    Comput. 21 (2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, svds

from invarlock.errors import MeasurementError
from invarlock.measure.bidiagonal import Bidiagonalisation
from invarlock.measure.records import EstimatorContract

CONVERGED = EstimatorContract(method="lanczos", tol=1e-5, max_iter=200, seed=0, dtype="float32")
# The reference's estimator, whose numbers the published caps are in: 4 iterations from a vector of ones.
POWER_ITER = EstimatorContract(method="power_iter", tol=0.0, max_iter=4, seed=0, dtype="float32")

_FULL_SVD_SIDE = 64  # short sides up to this get a full SVD in float64: cheaper than iterating
_ARPACK_BASIS = 64
_SQUARED_COLUMNS = 1024
_SQUARED_ASPECT = 16
_WORK_DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class SigmaEstimate:
    """sigma: the value; residual: r of the module's docstring, same units; steps: products with W and W^T."""

    sigma: float
    residual: float
    steps: int
    solver: Literal["svd", "lanczos", "arpack", "power_iter"]


def work_dtype(stored: torch.dtype, contract: EstimatorContract) -> torch.dtype:
    """Arithmetic for a weight stored as ``stored``: the contract's, and never less than the weight's own."""
    return torch.promote_types(stored, _WORK_DTYPES[contract.dtype])


def estimate_sigma_max(matrix: torch.Tensor, contract: EstimatorContract = CONVERGED) -> SigmaEstimate:
    """sigma_max of ``matrix`` (rows x columns, float32 or float64, finite, entries not far from 1).

    The same bytes and contract give the same result on the same machine and thread count.

    Raises
    ------
    MeasurementError: neither Lanczos nor ARPACK reached ``tol``.

    Example
    -------
    >>> estimate = estimate_sigma_max(torch.diag(torch.arange(1.0, 101.0)))
    >>> round(estimate.sigma, 3), estimate.solver
    (100.0, 'lanczos')
    """
    if contract.method == "power_iter":
        return _power_iteration(matrix, contract.max_iter)
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    if tall.shape[1] <= _FULL_SVD_SIDE:
        return _full_svd(tall)
    if not tall.any():
        return SigmaEstimate(0.0, 0.0, 0, "lanczos")
    # The solvers' own residuals are rounded as well, so the fresh one may be a little above tol.
    within = 2 * contract.tol + _rounding(tall)
    for solve in (_lanczos, _arpack):
        estimate = solve(tall, contract)
        if estimate.residual <= within * estimate.sigma:
            return estimate
    raise _not_converged(tall, contract)


def _full_svd(tall: torch.Tensor) -> SigmaEstimate:
    sigma = float(torch.linalg.svdvals(tall.double())[0])
    return SigmaEstimate(sigma, tall.shape[1] * torch.finfo(torch.float64).eps * sigma, 0, "svd")


def _lanczos(tall: torch.Tensor, contract: EstimatorContract) -> SigmaEstimate:
    # Same right vectors, and the top one loses nothing by squaring; the result is checked on W itself.
    worked_on = tall.T @ tall if _cheaper_squared(tall) else tall
    process = Bidiagonalisation(worked_on, _start(tall, contract.seed), contract.max_iter)
    check = 4
    while process.step():
        if process.steps >= check:
            sigma, residual = process.top_value()
            if residual <= contract.tol * sigma:
                break
            check += 2 + check // 6  # a check costs as much as a step on a small matrix
    return _certified(tall, process.top_vector(), process.steps + 1, "lanczos")


def _cheaper_squared(tall: torch.Tensor) -> bool:
    """Whether one W^T W costs less than reading W tens of times: a vocabulary's embedding of modest width."""
    rows, columns = tall.shape
    return columns <= _SQUARED_COLUMNS and rows >= _SQUARED_ASPECT * columns


def _arpack(tall: torch.Tensor, contract: EstimatorContract) -> SigmaEstimate:
    products = 0

    def product(matrix: torch.Tensor, vector: np.ndarray) -> np.ndarray:
        nonlocal products
        products += 1
        return (matrix @ torch.from_numpy(np.ascontiguousarray(vector.ravel())).to(matrix.dtype)).numpy()

    operator = LinearOperator(
        tall.shape,
        matvec=lambda v: product(tall, v),
        rmatvec=lambda u: product(tall.T, u),
        dtype=tall.numpy().dtype,
    )
    start = _start(tall, contract.seed).numpy()
    basis = min(_ARPACK_BASIS, tall.shape[1] - 1)
    try:
        _, _, right = svds(operator, k=1, ncv=basis, tol=contract.tol, v0=start, maxiter=100)
    except ArpackNoConvergence as error:
        raise _not_converged(tall, contract) from error
    vector = torch.from_numpy(right[0].copy()).to(tall.dtype)
    return _certified(tall, vector, products // 2 + 1, "arpack")


def _not_converged(tall: torch.Tensor, contract: EstimatorContract) -> MeasurementError:
    return MeasurementError(
        f"sigma_max of a {tall.shape[0]} x {tall.shape[1]} matrix did not converge to {contract.tol}",
        fix="raise tol or max_iter in the estimator contract, or use dtype float64",
    )


def _certified(
    tall: torch.Tensor, vector: torch.Tensor, steps: int, solver: Literal["lanczos", "arpack"]
) -> SigmaEstimate:
    """Value and residual of ``vector``, computed afresh on the matrix: no recurrence is trusted."""
    right = vector / torch.linalg.vector_norm(vector)
    left = tall @ right
    sigma = float(torch.linalg.vector_norm(left))
    residual = float(torch.linalg.vector_norm(tall.T @ (left / sigma) - sigma * right))
    return SigmaEstimate(sigma, residual + _rounding(tall) * sigma, steps, solver)


def _power_iteration(matrix: torch.Tensor, iterations: int) -> SigmaEstimate:
    columns = matrix.shape[1]
    right = torch.ones(columns, dtype=matrix.dtype) / columns**0.5
    sigma, residual = 0.0, 0.0
    for _ in range(iterations):
        left = matrix @ right
        sigma = float(torch.linalg.vector_norm(left))
        if sigma == 0.0:  # the start is in the null space: this estimator's known blind spot
            return SigmaEstimate(0.0, 0.0, iterations, "power_iter")
        back = matrix.T @ (left / sigma)
        residual = float(torch.linalg.vector_norm(back - sigma * right))
        right = back / torch.linalg.vector_norm(back)
    return SigmaEstimate(sigma, residual + _rounding(matrix) * sigma, iterations, "power_iter")


def _start(tall: torch.Tensor, seed: int) -> torch.Tensor:
    # Drawn in float64, so that one seed means one direction whatever the arithmetic.
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(tall.shape[1], generator=generator, dtype=torch.float64).to(tall.dtype)


def _rounding(matrix: torch.Tensor) -> float:
    # Rounding errors of a product grow like the root of its length (Higham, 2002, section 2.8).
    return float(torch.finfo(matrix.dtype).eps * max(matrix.shape) ** 0.5)
