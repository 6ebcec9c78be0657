"""Which model is it: opened and hashed, tensor by tensor."""

from __future__ import annotations

from invarlock.measure.checkpoint import open_checkpoint
from invarlock.measure.models import metric_kind
from invarlock.measure.records import ModelIdentity
from invarlock.measure.tensor_digest import digest_model


def identify_model(
    reference: str, *, allow_network: bool = False, allow_pickle: bool = False
) -> ModelIdentity:
    """Open ``reference`` (folder, hub id or bundled:NAME) and hash every tensor. Raises ModelError."""
    checkpoint = open_checkpoint(reference, allow_network=allow_network, allow_pickle=allow_pickle)
    return ModelIdentity(
        reference=reference,
        root=str(checkpoint.root),
        digest=digest_model(checkpoint).digest,
        model_type=checkpoint.model_type,
        metric=metric_kind(checkpoint).value,
    )
