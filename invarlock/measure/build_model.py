"""Building a model with transformers so that what runs is what the checkpoint holds, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from invarlock.checkpoints.checkpoint import Checkpoint
from invarlock.checkpoints.parameters import parameter_name
from invarlock.errors import ModelError
from invarlock.measure.metric_kind import MetricKind

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def build_model(checkpoint: Checkpoint, kind: MetricKind, dtype: torch.dtype) -> PreTrainedModel:
    """The model of ``checkpoint`` with its head, on the CPU, weights as ``dtype``. Its own code is never run.

    Raises
    ------
    ModelError: transformers does not know the model type, a parameter is missing or has another shape (it would be
        filled at random), tensors that differ in the file would run as one.
    """
    # Imported late: takes seconds, and reads the network switch.
    from huggingface_hub.errors import StrictDataclassError
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
    except (OSError, ValueError, KeyError, RuntimeError, StrictDataclassError) as error:
        raise ModelError(
            f"transformers cannot build it: {str(error).strip().splitlines()[0]}",
            where=checkpoint.root,
            fix="name a model that this version of transformers knows",
        ) from error
    _ensure_complete(checkpoint, info["missing_keys"], info["mismatched_keys"])
    ensure_ties_as_stored(checkpoint, module)
    return module


def ensure_ties_as_stored(checkpoint: Checkpoint, module: torch.nn.Module) -> None:
    """Refuse a live ``module`` that ties what ``checkpoint`` holds as several tensors, unless they are the same.

    transformers 5 ties them only if they are equal, whatever the config says. Another version might not, and what ran
    would not be what was measured. Raises ModelError naming the tensor.
    """
    live = dict(module.named_parameters(remove_duplicate=False))
    sharing: dict[int, list[tuple[str, torch.nn.Parameter]]] = {}
    for entry in checkpoint.entries:
        parameter = live.get(parameter_name(entry.name, checkpoint.model_type))
        if parameter is not None:
            sharing.setdefault(id(parameter), []).append((entry.name, parameter))
    for name, parameter in (stored for several in sharing.values() if len(several) > 1 for stored in several):
        if not torch.equal(checkpoint.read(name).to(parameter), parameter.detach()):
            raise ModelError(
                f"{name} differs from the tensor that it is tied to, and would not run",
                where=checkpoint.root,
                fix="set tie_word_embeddings to false in its config.json, or save it without that tensor",
            )


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
