"""What the plain forms of both sweeps share: the demo model opened, live and edited."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
import transformers.models.gpt2.modeling_gpt2  # noqa: F401  imported late by the library: not part of the work

from invarlock.calibration.sweep_settings import SweepSettings
from invarlock.checkpoints.checkpoint import Checkpoint, open_checkpoint
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import WindowPool, build_pool
from invarlock.edits.benign_records import BenignEdit
from invarlock.edits.overlay import EditedCheckpoint
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.measure.models import LoadedModel, applied, load_model
from invarlock.measure.records import ModelIdentity, VariantMeasurement
from invarlock.reports.sweep_report import Work

UNCOUNTED = Work(
    measured={},
    found={},
    forward_passes=0.0,
    quarantined=(),
    seconds={},
    host="",
    commit=None,
    mlflow_run_id="",
)


def opened(settings: SweepSettings) -> tuple[Checkpoint, WindowPool]:
    """The model and its windows."""
    checkpoint = open_checkpoint(settings.references[0])
    return checkpoint, build_pool(settings.config.dataset, load_tokenizer(checkpoint.root))


def loaded(checkpoint: Checkpoint, identity: ModelIdentity, settings: SweepSettings) -> LoadedModel:
    """The model, live."""
    digest = identity.behaviour(identity.digest)
    return load_model(checkpoint, model_digest=digest, dtype=settings.dtype.value)


def edited_tensors(checkpoint: Checkpoint, edit: BenignEdit | PlannedEdit) -> Mapping[str, torch.Tensor]:
    """What ``edit`` makes of the tensors that it changes."""
    overlay = EditedCheckpoint(checkpoint, edit)
    return {name: overlay.read(name) for name in edit.tensors}


def edited(
    live: LoadedModel,
    checkpoint: Checkpoint,
    identity: ModelIdentity,
    edit: BenignEdit | PlannedEdit,
    variant: VariantMeasurement,
) -> AbstractContextManager[LoadedModel]:
    """``live`` with ``edit`` in it, as ``variant`` was measured."""
    digest = identity.behaviour(variant.weights.model_digest)
    return applied(live, edited_tensors(checkpoint, edit), variant_digest=digest)
