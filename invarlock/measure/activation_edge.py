"""Edge risk of an activation: how far its largest singular value is beyond that of noise (design page 2).

Of m x n independent entries of mean 0 and variance 1, sigma_max / (sqrt(m) + sqrt(n)) tends to 1: the edge of the
Marchenko-Pastur law [1], which the largest value attains [2].

References
----------
[1] V. Marchenko, L. Pastur, Distribution of eigenvalues for some sets of random matrices, Math. USSR-Sbornik 1 (1967).
[2] Z. Bai, Y. Yin, Limit of the smallest eigenvalue of a large dimensional sample covariance matrix, Ann. Probab. 21
    (1993).
"""

from __future__ import annotations

import math

import torch

from invarlock.errors import MeasurementError
from invarlock.measure.edge_records import EdgeRisk
from invarlock.measure.records import EstimatorContract
from invarlock.measure.sigma_max import CONVERGED, estimate_sigma_max, work_dtype
from invarlock.measure.tensor_statistics import frobenius_norm

_CONSTANT = 4  # roundings that entries may lie apart and still say nothing


def edge_risk(activation: torch.Tensor, contract: EstimatorContract = CONVERGED) -> EdgeRisk:
    """r of an ``activation``, shape (positions, features): of A' = (A - mean) / std, scalars over all entries.

    Raises MeasurementError when it is not finite, or constant up to the rounding of its dtype.

    Example
    -------
    >>> noise = torch.randn(400, 300, generator=torch.Generator().manual_seed(0))
    >>> round(edge_risk(7 * noise - 2).risk, 2)
    0.99
    """
    positions, features = activation.shape
    edge = math.sqrt(positions) + math.sqrt(features)
    estimate = estimate_sigma_max(_standardised(activation, contract), contract)
    return EdgeRisk(
        risk=estimate.sigma / edge, residual=estimate.residual / edge, positions=positions, features=features
    )


def _standardised(activation: torch.Tensor, contract: EstimatorContract) -> torch.Tensor:
    low, high = (float(bound) for bound in torch.aminmax(activation))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise MeasurementError(
            "its output is not finite",
            fix="use a wider dtype (float16 overflows), or check the model's weights",
        )
    largest = max(abs(low), abs(high))
    if high - low <= _CONSTANT * torch.finfo(activation.dtype).eps * largest:
        raise MeasurementError(
            f"its output is constant ({low:g} to {high:g})",
            fix="check the module's weights: it passes nothing on",
        )
    dtype = work_dtype(activation.dtype, contract)
    matrix = activation.to(device="cpu", dtype=dtype, copy=True)
    matrix *= math.ldexp(1.0, -math.frexp(largest)[1])  # exact: squares stay in range whatever the scale
    for _ in range(2):  # the first mean is rounded to the matrix's dtype, the second takes what that left
        matrix -= float(matrix.mean(dtype=torch.float64))
    return matrix.div_(frobenius_norm(matrix) / math.sqrt(matrix.numel()))
