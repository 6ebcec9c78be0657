"""Every matrix of a checkpoint, measured in one streaming pass: memory near its largest tensor."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.checkpoints.modules import Module, modules_of
from invarlock.checkpoints.safetensors_file import TensorEntry
from invarlock.errors import ModelError
from invarlock.measure.records import EstimatorContract, ModuleStatistics, WeightMeasurement
from invarlock.measure.tensor_digest import combine_digests, digest_tensor
from invarlock.measure.tensor_statistics import (
    digest_matrix,
    ensure_matrix_dtype,
    largest_magnitude,
    statistics_of,
)
from invarlock.progress import advance, announce
from invarlock.store.measurement_store import MeasurementStore

# Tensors that checkpoints carry and that are no weights: positions, and masks of old GPT-2 and GPT-NeoX.
_INDEX_BUFFERS = ("position_ids", "token_type_ids", "attn.bias", "attention.bias")


def measure_weights(
    source: TensorSource, store: MeasurementStore, contract: EstimatorContract
) -> WeightMeasurement:
    """Statistics of every matrix of ``source``, in the order of :func:`modules_of`, and the model's digest.

    Each tensor is read, hashed, looked up, measured if it was not there, and let go. Tensors that are no
    matrices are read for the digest and checked for NaN.

    Raises
    ------
    MeasurementError: NaN or infinity in any tensor, a weight in a dtype that is no matrix (packed or
        quantised), an estimate that did not converge; each names the module.
    ModelError: no matrix in the checkpoint, or a file that cannot be read.
    """
    modules = modules_of(source)
    announce("weights", len(modules))
    owned = by_tensor(modules)
    hashes: dict[str, str] = {}
    measured: list[ModuleStatistics] = []
    for entry in source.entries:
        tensor = read_finite(source, entry)
        hashes[entry.name] = digest_tensor(tensor)
        for module in owned.get(entry.name, ()):
            measured.append(_measure_module(module, tensor, hashes[entry.name], store, contract))
            advance("weights", 1)
    return WeightMeasurement(
        model_digest=combine_digests(source, hashes).digest, contract=contract, modules=tuple(measured)
    )


def ensure_measured(
    source: TensorSource, tensors: Mapping[str, torch.Tensor], measured: WeightMeasurement
) -> None:
    """``tensors`` (name in the checkpoint to edited tensor) hold the very matrices that were measured.

    An edit is done again whenever it is needed. What it gives must not depend on when: losses of other weights would
    be kept under the name of these. Raises ModelError naming the module.
    """
    known = {module.name: module.tensor_sha256 for module in measured.modules}
    owned = by_tensor(modules_of(source))
    for name, tensor in tensors.items():
        whole = digest_tensor(tensor)
        for module in owned.get(name, ()):
            if digest_matrix(module.matrix_of(tensor), tensor, whole) != known[module.name]:
                raise ModelError(
                    "the weights that would run are not those that were measured",
                    where=module.name,
                    fix="make the edit depend on its plan alone; after installing other packages, "
                    "run with a fresh INVARLOCK_HOME",
                )


def by_tensor(modules: tuple[Module, ...]) -> Mapping[str, list[Module]]:
    """The modules that each tensor holds: one, or one an expert."""
    owned: dict[str, list[Module]] = {}
    for module in modules:
        owned.setdefault(module.tensor, []).append(module)
    return owned


def read_finite(source: TensorSource, entry: TensorEntry) -> torch.Tensor:
    """One tensor of ``source``, checked. Raises MeasurementError naming it."""
    tensor = source.read(entry.name)
    if len(entry.shape) >= 2 and not entry.name.endswith(_INDEX_BUFFERS):
        ensure_matrix_dtype(tensor, f"{source.root}: {entry.name}")
    if tensor.is_floating_point():
        largest_magnitude(tensor, f"{source.root}: {entry.name}")
    return tensor


def _measure_module(
    module: Module, tensor: torch.Tensor, sha256: str, store: MeasurementStore, contract: EstimatorContract
) -> ModuleStatistics:
    matrix = module.matrix_of(tensor)
    own = digest_matrix(matrix, tensor, sha256)
    found = statistics_of(matrix, store, contract, where=module.name, sha256=own)
    return ModuleStatistics(
        name=module.name,
        family=module.family,
        rule=module.rule,
        shape=module.shape,
        aliases=module.aliases,
        tensor_sha256=own,
        **dict(found),
    )
