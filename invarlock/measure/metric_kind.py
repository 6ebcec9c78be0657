"""What kind of language model a checkpoint is, and so which perplexity it has."""

from __future__ import annotations

from enum import StrEnum

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.errors import ModelError

_MASKED_TYPES = ("bert", "roberta", "distilbert")


class MetricKind(StrEnum):
    """The primary metric that a kind of model has."""

    CAUSAL = "ppl_causal"
    MASKED = "ppl_mlm"
    SEQ2SEQ = "ppl_seq2seq"


def metric_kind(source: TensorSource) -> MetricKind:
    """The metric of a checkpoint, from its config.

    Raises
    ------
    ModelError: the config names an architecture that is none of the three kinds.
    """
    named = source.config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    if source.config.get("is_encoder_decoder") is True:
        return MetricKind.SEQ2SEQ
    if "MaskedLM" in architecture or source.model_type in _MASKED_TYPES:
        return MetricKind.MASKED
    if not architecture or architecture.endswith(("CausalLM", "LMHeadModel", "Model")):
        return MetricKind.CAUSAL
    raise ModelError(
        f"architecture {architecture} is no causal, masked or sequence-to-sequence language model",
        where=f"{source.model_type} config.json: architectures",
        fix="name a language model",
    )
