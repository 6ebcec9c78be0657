"""Top-1 hits of windows, counted in the pass that also gives their losses (design page 3, Metrics: accuracy)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from invarlock.data.windows import Window
from invarlock.measure.beside_losses import measure_beside_losses
from invarlock.measure.forward_pass import Predictions, predict
from invarlock.measure.losses import losses_of, pass_inputs, windows_a_pass
from invarlock.measure.models import LoadedModel
from invarlock.measure.records import WindowHits, WindowLoss
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore

KIND = "window_hits"
_VERSION = 1


def measure_hits(
    model: LoadedModel,
    windows: Sequence[Window],
    store: MeasurementStore,
    *,
    batch_size: int | None = None,
) -> tuple[tuple[WindowLoss, ...], tuple[WindowHits, ...]]:
    """Loss and hits of each of ``windows``, in order, out of one forward pass.

    A hit is a predicted token with the largest logit; where several share that, the one of the lowest id has it, so
    that a model which says the same of every token does not hit them all. batch_size: as in :func:`measure_losses`.
    Raises what that raises, and counts nothing in a window whose loss is not finite.
    """
    size = windows_a_pass(model, batch_size)
    return measure_beside_losses(
        model, windows, store, WindowHits, partial(_hits_key, model, size=size), _run, batch_size=batch_size
    )


def _run(model: LoadedModel, windows: Sequence[Window]) -> list[tuple[WindowLoss, WindowHits]]:
    predictions = predict(model, windows)
    losses = losses_of(windows, predictions)  # first: no logit of a predicted token is NaN after it
    return [
        (loss, WindowHits(window_id=loss.window_id, tokens=loss.tokens, hits=hits))
        for loss, hits in zip(losses, _count_hits(predictions), strict=True)
    ]


@torch.inference_mode()
def _count_hits(predictions: Predictions) -> list[int]:
    said = predictions.logits.argmax(dim=-1)  # the first of several
    hits: list[int] = ((said == predictions.labels) & predictions.predicted).sum(dim=1).tolist()
    return hits


def _hits_key(model: LoadedModel, window: Window, *, size: int) -> MeasurementKey:
    return MeasurementKey(kind=KIND, version=_VERSION, inputs=pass_inputs(model, window, size))
