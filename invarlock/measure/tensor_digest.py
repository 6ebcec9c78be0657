"""SHA-256 of tensors and of whole checkpoints (design page 3, Models)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.checkpoints.safetensors_file import DTYPE_NAMES
from invarlock.digests import canonical_json, digest_of
from invarlock.record import Record


class ModelDigest(Record):
    """digest: hex SHA-256 over the sorted (name, dtype, shape, tensor hash); tensors: name to tensor hash."""

    digest: str
    tensors: Mapping[str, str]


def digest_tensor(tensor: torch.Tensor) -> str:
    """Hex SHA-256 over dtype, shape and the bytes in row order, little-endian as safetensors keeps them."""
    whole = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(canonical_json([DTYPE_NAMES[whole.dtype], list(whole.shape)]))
    digest.update(whole.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def digest_model(source: TensorSource) -> ModelDigest:
    """Hash every tensor of ``source``, one at a time."""
    return combine_digests(
        source, {entry.name: digest_tensor(source.read(entry.name)) for entry in source.entries}
    )


def combine_digests(source: TensorSource, tensors: Mapping[str, str]) -> ModelDigest:
    """The model's digest from those of its tensors (name to hex SHA-256, every tensor of ``source``)."""
    rows = [[entry.name, entry.dtype, list(entry.shape), tensors[entry.name]] for entry in source.entries]
    return ModelDigest(digest=digest_of(sorted(rows)), tensors=dict(tensors))
