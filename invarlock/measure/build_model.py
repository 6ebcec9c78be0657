"""Building a model with transformers so that what runs is what the checkpoint holds, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from invarlock.checkpoints.checkpoint import Checkpoint
from invarlock.errors import ModelError
from invarlock.measure.loaded_weights import ensure_loaded_as_stored
from invarlock.measure.metric_kind import MetricKind

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def build_model(checkpoint: Checkpoint, kind: MetricKind, dtype: torch.dtype) -> PreTrainedModel:
    """The model of ``checkpoint`` with its head, on the CPU, weights as ``dtype``. Its own code is never run.

    Raises
    ------
    ModelError: transformers does not know the model type, or lacks a package that the config asks for; a parameter is
        missing or has another shape (it would be filled at random); other numbers than the checkpoint's would run.
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
    except (ImportError, OSError, ValueError, KeyError, RuntimeError, StrictDataclassError) as error:
        raise ModelError(
            f"transformers cannot build it: {str(error).strip().splitlines()[0]}",
            where=checkpoint.root,
            fix="name a model that this version of transformers knows",
        ) from error
    _ensure_complete(checkpoint, info["missing_keys"], info["mismatched_keys"])
    ensure_loaded_as_stored(checkpoint, module)
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
