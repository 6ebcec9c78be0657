"""Models that run: built by transformers from a checkpoint folder, never with the checkpoint's own code."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from invarlock.checkpoints.checkpoint import Checkpoint
from invarlock.checkpoints.effective_config import positions_of
from invarlock.checkpoints.modules import module_path
from invarlock.errors import ModelError
from invarlock.measure.build_model import build_model
from invarlock.measure.metric_kind import MetricKind, metric_kind
from invarlock.measure.vocabulary import find_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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


def load_model(
    checkpoint: Checkpoint, *, model_digest: str, dtype: str = "float32", device: str = "cpu"
) -> LoadedModel:
    """Build the model of ``checkpoint`` and load its weights as ``dtype`` onto ``device``.

    The checkpoint's own code is never run. Nothing is fetched.

    Raises
    ------
    ModelError: what :func:`build_model` raises; the tokenizer of a masked model has no mask token.
    """
    kind = metric_kind(checkpoint)
    module = build_model(checkpoint, kind, _DTYPES[dtype]).to(device).eval()
    return LoadedModel(
        module=module,
        kind=kind,
        variant_digest=model_digest,
        dtype=dtype,
        device=device,
        vocabulary=int(module.config.vocab_size),
        longest=positions_of(module.config, checkpoint.model_type),
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
