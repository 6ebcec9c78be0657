"""Losses of windows: each (model variant, window) run once, ever.

A window's loss must not depend on which windows were run beside it, or a run that was killed and resumed
would not give the same bytes. On a CPU that holds by construction: one window a forward pass, which costs
about an eighth of the speed (docs/decisions/0022-one-window-a-pass.md). A larger batch is for accelerators;
its losses are kept apart, under its size, and can differ in the last bits after an interruption.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from importlib.metadata import version
from typing import TypeVar

import torch
from pydantic import JsonValue

from invarlock.data.windows import Window
from invarlock.errors import MeasurementError
from invarlock.measure.forward_pass import Predictions, predict
from invarlock.measure.models import LoadedModel
from invarlock.measure.pass_meter import WHOLE_PASS
from invarlock.measure.records import WindowLoss
from invarlock.measure.side_by_side import side_by_side
from invarlock.progress import advance, announce
from invarlock.record import Record
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore

KIND = "window_loss"
_VERSION = 1
_CPU_BATCH = 1
_ACCELERATOR_BATCH = 16

Name = TypeVar("Name")
R = TypeVar("R", bound=Record)


def measure_losses(
    model: LoadedModel,
    windows: Sequence[Window],
    store: MeasurementStore,
    *,
    batch_size: int | None = None,
) -> tuple[WindowLoss, ...]:
    """The loss of each of ``windows``, in order; a window that occurs twice is run once.

    batch_size: windows a forward pass; None is 1 on a CPU, 16 elsewhere. The windows that were run are
    counted by ``store.counts().written["window_loss"]``. Results are kept as each pass ends: a kill
    loses at most the passes in flight, eight on a CPU.

    Raises
    ------
    MeasurementError: a loss that is not finite; names the windows. DataError: what :func:`predict` refuses.
    """
    size = windows_a_pass(model, batch_size)
    distinct = {window.id: window for window in windows}
    keys = {name: loss_key(model, window, size) for name, window in distinct.items()}
    found = kept(store, keys, WindowLoss)
    absent = [window for name, window in distinct.items() if name not in found]
    announce("windows", len(absent))
    for losses in side_by_side(model, list(batches(absent, size)), run_windows):
        for loss in losses:
            store.put(keys[loss.window_id], loss)
            found[loss.window_id] = loss
        advance("windows", len(losses))
    return tuple(found[window.id] for window in windows)


def run_windows(
    model: LoadedModel, windows: Sequence[Window], *, share: Fraction = WHOLE_PASS
) -> tuple[WindowLoss, ...]:
    """One forward pass over ``windows`` of one length: the bare measurement, nothing kept.

    share: of the model's blocks that the pass really runs, for the :class:`PassMeter`. Raises what :func:`predict`
    and :func:`losses_of` raise.
    """
    return losses_of(windows, predict(model, windows, share=share))


def losses_of(windows: Sequence[Window], predictions: Predictions) -> tuple[WindowLoss, ...]:
    """The loss of each of ``windows`` in their pass.

    NLL is the float64 sum of float32 log-softmax over the predicted tokens, in nats. Raises MeasurementError naming
    the windows whose loss is not finite: a NaN among the logits of a predicted token always makes it so.
    """
    nll, tokens = _summed_nll(predictions)
    measured = list(zip(windows, nll.tolist(), tokens.tolist(), strict=True))
    broken = [window.id for window, value, _ in measured if not math.isfinite(value)]
    if broken:
        raise MeasurementError(
            "a loss that is not finite",
            where=f"windows {', '.join(broken)}",
            fix="use a wider dtype (float16 overflows), or check the model's weights",
        )
    return tuple(
        WindowLoss(window_id=window.id, nll=value, tokens=count) for window, value, count in measured
    )


def windows_a_pass(model: LoadedModel, batch_size: int | None) -> int:
    """``batch_size``, or what suits the model's device."""
    return batch_size or (_CPU_BATCH if model.device_class == "cpu" else _ACCELERATOR_BATCH)


def kept(store: MeasurementStore, keys: Mapping[Name, MeasurementKey], kind: type[R]) -> dict[Name, R]:
    """Those of ``keys`` that the store holds, by their names here."""
    return {name: value for name, key in keys.items() if (value := store.get(key, kind)) is not None}


def batches(windows: Sequence[Window], size: int) -> Iterator[list[Window]]:
    """Batches of windows of one shape, so that nothing is ever padded."""
    by_shape: dict[tuple[int, int], list[Window]] = {}
    for window in windows:
        shape = len(window.tokens), 0 if window.labels is None else len(window.labels)
        by_shape.setdefault(shape, []).append(window)
    for alike in by_shape.values():
        for start in range(0, len(alike), size):
            yield alike[start : start + size]


def loss_key(model: LoadedModel, window: Window, batch_size: int) -> MeasurementKey:
    """Where the loss of ``window`` is kept."""
    return MeasurementKey(kind=KIND, version=_VERSION, inputs=pass_inputs(model, window, batch_size))


def pass_inputs(model: LoadedModel, window: Window, batch_size: int) -> dict[str, JsonValue]:
    """What a forward pass over ``window`` depends on, for the keys of what is measured in it."""
    return {
        "variant": model.variant_digest,
        "window": window.id,
        "metric": model.kind.value,
        "mask_id": model.masking.mask_id if model.masking else None,
        "dtype": model.dtype,
        "device": model.device_class,
        "batch_size": batch_size,
        **_packages(),
    }


@cache
def _packages() -> dict[str, JsonValue]:
    # Another version may round otherwise: both arms of a comparison share one. Looked up once: reading the metadata of
    # an installed package takes as long as a short forward pass.
    return {name: version(name) for name in ("torch", "transformers")}


@torch.inference_mode()
def _summed_nll(predictions: Predictions) -> tuple[torch.Tensor, torch.Tensor]:
    """Per row: summed NLL (float64) and the number of predicted tokens."""
    predicted = predictions.predicted
    log_probability = torch.log_softmax(predictions.logits.float(), dim=-1)
    chosen = log_probability.gather(-1, predictions.labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    nll = -torch.where(predicted, chosen, 0.0).double().sum(dim=1)
    return nll, predicted.sum(dim=1)
