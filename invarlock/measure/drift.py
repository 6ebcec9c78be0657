"""How far each module moved from its baseline (design page 2, Drift): what z cannot see."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.checkpoints.modules import Module, modules_of
from invarlock.errors import MeasurementError, ModelError
from invarlock.measure.records import Drift, EstimatorContract
from invarlock.measure.sigma_max import estimate_sigma_max, work_dtype
from invarlock.measure.tensor_digest import digest_tensor
from invarlock.measure.tensor_statistics import frobenius_norm, scale, statistics_of
from invarlock.measure.weights import by_tensor, read_finite
from invarlock.progress import advance, announce
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore

KIND = "tensor_drift"
_VERSION = 1
UNMOVED = Drift(log_sigma=0.0, relative_change=0.0, edit_edge=0.0)


def measure_drift(
    subject: TensorSource, baseline: TensorSource, store: MeasurementStore, contract: EstimatorContract
) -> Mapping[str, Drift]:
    """Drift of every module of ``subject``, by module name, in the order of :func:`modules_of`.

    Modules are paired by name; the tensors' own names and dtypes may differ.

    Raises
    ------
    ModelError: a module that only one side has, or whose shapes differ; names it.
    MeasurementError: what :func:`measure_weights` raises, and a matrix that is zero on one side only: its log
        ratio is infinite.
    """
    ours, theirs = modules_of(subject), {module.name: module for module in modules_of(baseline)}
    _ensure_paired(ours, theirs)
    announce("drift", len(ours))
    entries = {entry.name: entry for entry in subject.entries}
    base_entries = {entry.name: entry for entry in baseline.entries}
    drifts: dict[str, Drift] = {}
    for tensor, modules in by_tensor(ours).items():
        ours_whole = read_finite(subject, entries[tensor])
        base_name, base_whole = "", ours_whole
        for module in modules:
            partner = theirs[module.name]
            if partner.tensor != base_name:  # experts of one fused tensor are read once
                base_name, base_whole = partner.tensor, read_finite(baseline, base_entries[partner.tensor])
            pair = module.matrix_of(ours_whole), partner.matrix_of(base_whole)
            drifts[module.name] = _drift(*pair, store, contract, module.name)
            advance("drift", 1)
    return drifts


def same_modules(subject: TensorSource, baseline: TensorSource) -> bool:
    """Whether both have the same modules in the same shapes: only then drift can be measured."""
    ours, theirs = (
        {module.name: module.shape for module in modules_of(side)} for side in (subject, baseline)
    )
    return ours == theirs


def _ensure_paired(ours: tuple[Module, ...], theirs: Mapping[str, Module]) -> None:
    for name in sorted({module.name for module in ours} ^ theirs.keys()):
        side = "baseline" if name in theirs else "subject"
        raise ModelError(
            f"only the {side} has module {name}", where=name, fix="compare two checkpoints of one model"
        )
    for module in ours:
        if module.shape != theirs[module.name].shape:
            raise ModelError(
                f"shape {module.shape}, in the baseline {theirs[module.name].shape}",
                where=module.name,
                fix="compare two checkpoints of one model",
            )


def _drift(
    matrix: torch.Tensor, base: torch.Tensor, store: MeasurementStore, contract: EstimatorContract, name: str
) -> Drift:
    sha256, base_sha256 = digest_tensor(matrix), digest_tensor(base)
    if sha256 == base_sha256:
        return UNMOVED
    key = MeasurementKey(
        kind=KIND,
        version=_VERSION,
        inputs={"subject": sha256, "baseline": base_sha256, "contract": contract.model_dump(mode="json")},
    )
    found = store.get(key, Drift)
    if found is not None:
        return found
    sigma, base_sigma = (
        statistics_of(side, store, contract, where=name, sha256=digest).sigma_max
        for side, digest in ((matrix, sha256), (base, base_sha256))
    )
    with store.exclusive(f"{KIND}-{key.digest[:2]}"):
        found = store.get(key, Drift)
        if found is None:
            found = _measure(matrix, base, sigma, base_sigma, contract, name)
            store.put(key, found)
    return found


def _measure(
    matrix: torch.Tensor,
    base: torch.Tensor,
    sigma: float,
    base_sigma: float,
    contract: EstimatorContract,
    name: str,
) -> Drift:
    dtype = work_dtype(torch.promote_types(matrix.dtype, base.dtype), contract)
    change = matrix.to(dtype) - base.to(dtype)
    if not change.any():  # two dtypes or two zeros, the same numbers
        return UNMOVED
    if not (sigma and base_sigma):
        raise MeasurementError(
            f"a zero matrix in the {'subject' if base_sigma else 'baseline'} alone: log sigma is infinite",
            where=name,
            fix="an edit may not erase a module; check the checkpoint",
        )
    scaled = scale(change, contract, name)
    del change
    rows, columns = scaled.matrix.shape
    frobenius = frobenius_norm(scaled.matrix)
    noise_edge = frobenius / math.sqrt(rows * columns) * (math.sqrt(rows) + math.sqrt(columns))
    base_scaled = scale(base, contract, name)
    return Drift(
        log_sigma=math.log(sigma / base_sigma),
        relative_change=scaled.back(frobenius) / base_scaled.back(frobenius_norm(base_scaled.matrix)),
        edit_edge=estimate_sigma_max(scaled.matrix, contract).sigma / noise_edge,
    )
