"""Which model is it: its weights hashed tensor by tensor, its config, and its tokenizer's files."""

from __future__ import annotations

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.data.tokenizer import hash_tokenizer_files
from invarlock.digests import digest_of
from invarlock.errors import ModelError
from invarlock.measure.metric_kind import metric_kind
from invarlock.measure.records import ModelIdentity
from invarlock.measure.tensor_digest import digest_model

_BOOKKEEPING = frozenset({"_name_or_path", "transformers_version"})


def identify_model(
    reference: str, *, allow_network: bool = False, allow_pickle: bool = False
) -> ModelIdentity:
    """Open ``reference`` (folder, hub id or bundled:NAME) and hash all that decides what it computes.

    Raises ModelError.
    """
    checkpoint = open_checkpoint(reference, allow_network=allow_network, allow_pickle=allow_pickle)
    config = {name: value for name, value in checkpoint.config.items() if name not in _BOOKKEEPING}
    return ModelIdentity(
        reference=reference,
        root=str(checkpoint.root),
        digest=digest_model(checkpoint).digest,
        config_sha256=digest_of(config),
        tokenizer_sha256=hash_tokenizer_files(checkpoint.root),
        model_type=checkpoint.model_type,
        metric=metric_kind(checkpoint).value,
    )


def ensure_unchanged(model: ModelIdentity) -> None:
    """Hash ``model`` again. ModelError when its files are no longer what was identified."""
    if identify_model(model.root, allow_pickle=True) != model.model_copy(update={"reference": model.root}):
        raise ModelError(
            "the model's files changed while they were measured",
            where=model.root,
            fix="leave them alone during a sweep, and run it again",
        )
