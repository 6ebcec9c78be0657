"""Models that run: built by transformers from a checkpoint folder, never with the checkpoint's own code."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import torch

from invarlock.checkpoints.checkpoint import Checkpoint, TensorSource
from invarlock.checkpoints.modules import module_path
from invarlock.errors import ModelError
from invarlock.measure.vocabulary import find_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_MASKED_TYPES = ("bert", "roberta", "distilbert")


class MetricKind(StrEnum):
    """The primary metric that a kind of model has."""

    CAUSAL = "ppl_causal"
    MASKED = "ppl_mlm"
    SEQ2SEQ = "ppl_seq2seq"


@dataclass(frozen=True)
class MaskingTokens:
    """What masked evaluation needs of a tokenizer."""

    mask_id: int
    special_ids: tuple[int, ...]


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, in eval mode.

    variant_digest: of its weights: the checkpoint's model digest, or its own where an edit is
    applied; dtype: of the forward pass, such as ``float32``; vocabulary: rows of the embedding; longest:
    tokens that the model takes at most, None when its positions are relative; masking: None unless masked.
    """

    module: PreTrainedModel
    kind: MetricKind
    variant_digest: str
    dtype: str
    device: str
    vocabulary: int
    longest: int | None
    masking: MaskingTokens | None
    model_type: str

    @property
    def device_class(self) -> str:
        """The device without its number: losses of one class are comparable."""
        return torch.device(self.device).type


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


def load_model(
    checkpoint: Checkpoint, *, model_digest: str, dtype: str = "float32", device: str = "cpu"
) -> LoadedModel:
    """Build the model of ``checkpoint`` and load its weights as ``dtype`` onto ``device``.

    The checkpoint's own code is never run. Nothing is fetched.

    Raises
    ------
    ModelError: transformers does not know the model type, a parameter is missing or has another shape (it
        would be filled at random), the tokenizer of a masked model has no mask token.
    """
    kind = metric_kind(checkpoint)
    module = _build(checkpoint, kind, _DTYPES[dtype]).to(device).eval()
    return LoadedModel(
        module=module,
        kind=kind,
        variant_digest=model_digest,
        dtype=dtype,
        device=device,
        vocabulary=int(module.config.vocab_size),
        longest=_longest(module, checkpoint.model_type),
        masking=masking_tokens(checkpoint) if kind is MetricKind.MASKED else None,
        model_type=checkpoint.model_type,
    )


def masking_tokens(checkpoint: Checkpoint) -> MaskingTokens:
    """Of the tokenizer beside a masked model. ModelError where there is none, or it has no mask token."""
    tokenizer = find_tokenizer(checkpoint.root)
    if tokenizer is None or tokenizer.mask_token_id is None:
        raise ModelError(
            "a masked model needs a tokenizer with a mask token",
            where=checkpoint.root,
            fix="save the model's tokenizer beside it",
        )
    return MaskingTokens(tokenizer.mask_token_id, tuple(tokenizer.all_special_ids))


def pick_device(wish: str) -> str:
    """``auto`` is CUDA where there is one, else the CPU. ModelError for a device this machine has not."""
    if wish == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = wish.partition(":")
    if kind not in ("cpu", "cuda") or not (number.isdigit() or wish == kind):
        raise ModelError(
            f"no device is called {wish!r}", where="--device", fix="use auto, cpu, cuda or cuda:N"
        )
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ModelError(f"this machine has no device {wish}", where="--device", fix="use cpu or auto")
    return wish


@contextmanager
def applied(
    model: LoadedModel, tensors: Mapping[str, torch.Tensor], *, variant_digest: str
) -> Iterator[LoadedModel]:
    """The model with ``tensors`` (checkpoint name to edited tensor) in place of its own, inside the block.

    The originals are set aside, not overwritten, and put back as they were: bit for bit, whatever the dtype.
    Tied weights stay tied: the one parameter that they share is given other data.

    Raises
    ------
    ModelError: a name that the live model has not (experts that transformers fuses on loading, for one), or
        another shape.
    """
    parameters = dict(model.module.named_parameters(remove_duplicate=False))
    targets = {
        name: _parameter_of(parameters, name, tensor, model.model_type) for name, tensor in tensors.items()
    }
    originals = [(parameter, parameter.data) for parameter in targets.values()]
    try:
        for name, parameter in targets.items():
            parameter.data = tensors[name].to(device=parameter.device, dtype=parameter.dtype, copy=True)
        yield dataclasses.replace(model, variant_digest=variant_digest)
    finally:
        for parameter, data in originals:
            parameter.data = data


def _parameter_of(
    parameters: Mapping[str, torch.nn.Parameter], name: str, tensor: torch.Tensor, model_type: str
) -> torch.nn.Parameter:
    path = module_path(name, model_type)
    parameter = parameters.get(name, parameters.get(f"{path}.weight", parameters.get(path)))
    if parameter is None:
        raise ModelError(
            "the loaded model has no parameter of that name", where=name, fix="edit another module"
        )
    if parameter.shape != tensor.shape:
        raise ModelError(
            f"the edited tensor has shape {tuple(tensor.shape)}, the model's {tuple(parameter.shape)}",
            where=name,
            fix="an edit keeps shapes",
        )
    return parameter


def _build(checkpoint: Checkpoint, kind: MetricKind, dtype: torch.dtype) -> PreTrainedModel:
    # Imported late: takes seconds, and reads the network switch.
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading is a small part of the work, which has a bar of its own
    classes = {
        MetricKind.CAUSAL: AutoModelForCausalLM,
        MetricKind.MASKED: AutoModelForMaskedLM,
        MetricKind.SEQ2SEQ: AutoModelForSeq2SeqLM,
    }
    try:
        module, info = classes[kind].from_pretrained(
            checkpoint.root,
            dtype=dtype,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=not checkpoint.pickled,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # reported below, by name, rather than raised without one
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"transformers cannot build it: {str(error).strip().splitlines()[0]}",
            where=checkpoint.root,
            fix="name a model that this version of transformers knows",
        ) from error
    _ensure_complete(checkpoint, info["missing_keys"], info["mismatched_keys"])
    return module


def _ensure_complete(checkpoint: Checkpoint, missing: object, mismatched: object) -> None:
    names = sorted(str(name) for name in missing) if isinstance(missing, (set, list)) else []
    if isinstance(mismatched, (set, list)):
        names += sorted(f"{name} (shape {tuple(found)})" for name, found, _ in mismatched)
    if names:
        raise ModelError(
            f"{len(names)} parameters are not in the checkpoint and would be random: {', '.join(names[:5])}",
            where=checkpoint.root,
            fix="name a checkpoint saved with its language-model head",
        )


def _longest(module: PreTrainedModel, model_type: str) -> int | None:
    positions = getattr(module.config, "max_position_embeddings", None)
    if positions is None or model_type == "t5":
        return None
    # RoBERTa counts positions from the padding token's id plus one.
    return int(positions) - (module.config.pad_token_id + 1 if model_type == "roberta" else 0)
