"""What is measured of one matrix, kept under its hash: measured once, whatever model holds it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from invarlock.errors import MeasurementError
from invarlock.measure.records import EstimatorContract, NormRange
from invarlock.measure.sigma_max import estimate_sigma_max, work_dtype
from invarlock.measure.tensor_digest import digest_tensor
from invarlock.record import Record
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore

KIND = "tensor_stats"
_VERSION = 2
_REAL = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
_DEAD = 1e-6  # of the largest norm: what rounding leaves of a zero row in float32
_EXTREME_EXPONENT = 30  # beyond 2^+-30 the squares of float32 entries, summed, near the ends of its range


class TensorStatistics(Record):
    """One matrix W. See :class:`invarlock.measure.records.ModuleStatistics` for the fields.

    A zero matrix has stable rank 0: no direction carries any energy.
    """

    sigma_max: float
    sigma_residual: float
    steps: int
    frobenius: float
    stable_rank: float
    rms: float
    row_norms: NormRange
    column_norms: NormRange


@dataclass(frozen=True)
class Scaled:
    """A matrix in working arithmetic: entries = 2^exponent x matrix. Exact, and only at extremes."""

    matrix: torch.Tensor
    exponent: int

    def back(self, value: float) -> float:
        """``value``, a norm of the scaled matrix, in the units of the original."""
        return math.ldexp(value, self.exponent)


def statistics_of(
    tensor: torch.Tensor, store: MeasurementStore, contract: EstimatorContract, *, where: str, sha256: str
) -> TensorStatistics:
    """The kept statistics of ``tensor`` (hash ``sha256``), or measured now and kept.

    Two processes that want the same tensor measure it once. Raises MeasurementError naming ``where``.
    """
    key = MeasurementKey(
        kind=KIND, version=_VERSION, inputs={"tensor": sha256, "contract": contract.model_dump(mode="json")}
    )
    found = store.get(key, TensorStatistics)
    if found is not None:
        return found
    with store.exclusive(f"{KIND}-{key.digest[:2]}"):
        found = store.get(key, TensorStatistics)
        if found is None:
            found = measure_tensor(tensor, contract, where=where)
            store.put(key, found)
    return found


def measure_tensor(tensor: torch.Tensor, contract: EstimatorContract, *, where: str) -> TensorStatistics:
    """Measure one matrix, shape (rows, columns), any real floating dtype. ``tensor`` is left as it is.

    Raises
    ------
    MeasurementError: NaN or infinity, a dtype whose numbers are no matrix, an estimate that did not converge.
    """
    ensure_matrix_dtype(tensor, where)
    scaled = scale(tensor, contract, where)
    matrix = scaled.matrix
    rows = torch.linalg.vector_norm(matrix, dim=1).double()
    columns = torch.linalg.vector_norm(matrix, dim=0).double()
    frobenius = float(torch.linalg.vector_norm(rows))
    try:
        estimate = estimate_sigma_max(matrix, contract)
    except MeasurementError as error:
        raise MeasurementError(error.what, where=where, fix=error.fix) from error
    sigma = estimate.sigma
    return TensorStatistics(
        sigma_max=scaled.back(sigma),
        sigma_residual=scaled.back(estimate.residual),
        steps=estimate.steps,
        frobenius=scaled.back(frobenius),
        stable_rank=(frobenius / sigma) ** 2 if sigma else 0.0,
        rms=scaled.back(frobenius / matrix.numel() ** 0.5),
        row_norms=_range(rows, scaled),
        column_norms=_range(columns, scaled),
    )


def ensure_matrix_dtype(tensor: torch.Tensor, where: str) -> None:
    """MeasurementError when the numbers of ``tensor`` are codes (packed or scaled elsewhere), not weights."""
    if tensor.dtype not in _REAL:
        raise MeasurementError(
            f"dtype {str(tensor.dtype).removeprefix('torch.')} has no meaning as a matrix",
            where=where,
            fix="dequantise it: weights must be float16, bfloat16, float32 or float64",
        )


def largest_magnitude(tensor: torch.Tensor, where: str) -> float:
    """max |entry|. MeasurementError on NaN or infinity. Needs no memory beside ``tensor``."""
    if tensor.numel() == 0:
        return 0.0
    low, high = (float(bound) for bound in torch.aminmax(tensor))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise MeasurementError(
            "NaN or infinity in a weight", where=where, fix="repair or replace the checkpoint"
        )
    return max(abs(low), abs(high))


def scale(tensor: torch.Tensor, contract: EstimatorContract, where: str) -> Scaled:
    """``tensor`` in working arithmetic, brought near 1 by a power of two when its entries are extreme."""
    dtype = work_dtype(tensor.dtype, contract)
    _, exponent = math.frexp(largest_magnitude(tensor, where))
    if abs(exponent) <= _EXTREME_EXPONENT:
        return Scaled(tensor.to(dtype), 0)
    return Scaled(torch.ldexp(tensor.double(), torch.tensor(-exponent)).to(dtype), exponent)


def frobenius_norm(matrix: torch.Tensor) -> float:
    """||matrix||_F: rows in the matrix's own arithmetic, their sum in float64, no copy of the matrix."""
    return float(torch.linalg.vector_norm(torch.linalg.vector_norm(matrix, dim=1).double()))


def _range(norms: torch.Tensor, scaled: Scaled) -> NormRange:
    alive = norms[norms > _DEAD * norms.max()].numpy()
    zeros = norms.numel() - len(alive)
    if not len(alive):
        return NormRange(zeros=zeros, min=0.0, median=0.0, max=0.0)
    low, median, high = (scaled.back(float(norm)) for norm in (alive.min(), np.median(alive), alive.max()))
    return NormRange(zeros=zeros, min=low, median=median, max=high)


def digest_matrix(matrix: torch.Tensor, tensor: torch.Tensor, sha256: str) -> str:
    """Hash of ``matrix``: that of ``tensor`` when it is all of it, its own when it is one expert's slice."""
    return sha256 if matrix.shape == tensor.shape else digest_tensor(matrix)
