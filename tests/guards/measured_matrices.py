"""Measurements of real matrices by full SVD: what the guards are tested on."""

import hashlib
from collections.abc import Mapping

import numpy as np

from invarlock.families import Family
from invarlock.measure.records import Drift, EstimatorContract, ModuleStatistics, NormRange, WeightMeasurement

CONTRACT = EstimatorContract(method="lanczos", tol=1e-6, max_iter=200, seed=0, dtype="float64")


def _norms(matrix: np.ndarray, axis: int) -> NormRange:
    norms = np.linalg.norm(matrix, axis=axis)
    live = norms[norms > 1e-6 * norms.max()]
    low, median, high = np.quantile(live, [0.0, 0.5, 1.0]) if live.size else (0.0, 0.0, 0.0)
    return NormRange(zeros=len(norms) - len(live), min=low, median=median, max=high)


def measure(name: str, matrix: np.ndarray) -> ModuleStatistics:
    sigma = float(np.linalg.norm(matrix, ord=2))
    frobenius = float(np.linalg.norm(matrix))
    return ModuleStatistics(
        name=name,
        family=Family(name.split(".")[0]),
        rule="test",
        shape=matrix.shape,
        aliases=(),
        tensor_sha256=hashlib.sha256(matrix.tobytes()).hexdigest(),
        sigma_max=sigma,
        sigma_residual=0.0,
        steps=1,
        frobenius=frobenius,
        stable_rank=frobenius**2 / sigma**2 if sigma else 0.0,
        rms=frobenius / matrix.size**0.5,
        row_norms=_norms(matrix, 1),
        column_norms=_norms(matrix, 0),
    )


def measure_all(
    matrices: Mapping[str, np.ndarray], contract: EstimatorContract = CONTRACT
) -> WeightMeasurement:
    modules = tuple(measure(name, matrix) for name, matrix in matrices.items())
    return WeightMeasurement(model_digest="0" * 64, contract=contract, modules=modules)


def drift_between(matrices: Mapping[str, np.ndarray], baseline: Mapping[str, np.ndarray]) -> dict[str, Drift]:
    drifts = {}
    for name, base in baseline.items():
        change = matrices[name] - base
        rms = float(np.linalg.norm(change)) / change.size**0.5
        edge = float(np.linalg.norm(change, ord=2)) / (rms * sum(np.sqrt(change.shape))) if rms else 0.0
        drifts[name] = Drift(
            log_sigma=float(np.log(np.linalg.norm(matrices[name], ord=2) / np.linalg.norm(base, ord=2))),
            relative_change=float(np.linalg.norm(change) / np.linalg.norm(base)),
            edit_edge=edge,
        )
    return drifts
