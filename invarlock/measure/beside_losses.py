"""What is measured in the very pass that gives a window's loss: run once for both, kept apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from invarlock.data.windows import Window
from invarlock.measure.losses import batches, kept, loss_key, windows_a_pass
from invarlock.measure.models import LoadedModel
from invarlock.measure.records import WindowLoss
from invarlock.measure.side_by_side import side_by_side
from invarlock.progress import advance, announce
from invarlock.record import Record
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore

R = TypeVar("R", bound=Record)


def measure_beside_losses(
    model: LoadedModel,
    windows: Sequence[Window],
    store: MeasurementStore,
    kind: type[R],
    key_of: Callable[[Window], MeasurementKey],
    run: Callable[[LoadedModel, Sequence[Window]], Sequence[tuple[WindowLoss, R]]],
    *,
    batch_size: int | None,
    alone: bool = False,
) -> tuple[tuple[WindowLoss, ...], tuple[R, ...]]:
    """The loss of each of ``windows``, in order, and what ``run`` finds beside it.

    The losses are those of :func:`measure_losses`, under its own keys: what one has kept the other finds. Only windows
    that lack the loss or the record are run, each once. run: one forward pass over windows of one shape; alone: over
    one window at a time, whatever the batch size; batch_size: as in :func:`measure_losses`.
    """
    size = windows_a_pass(model, batch_size)
    distinct = {window.id: window for window in windows}
    loss_keys = {name: loss_key(model, window, size) for name, window in distinct.items()}
    keys = {name: key_of(window) for name, window in distinct.items()}
    losses, records = kept(store, loss_keys, WindowLoss), kept(store, keys, kind)
    absent = [window for name, window in distinct.items() if name not in losses or name not in records]
    announce("windows", len(absent))
    for measured in side_by_side(model, list(batches(absent, 1 if alone else size)), run):
        for loss, record in measured:
            name = loss.window_id
            if name not in losses:
                store.put(loss_keys[name], loss)
                losses[name] = loss
            if name not in records:
                store.put(keys[name], record)
                records[name] = record
        advance("windows", len(measured))
    return (
        tuple(losses[window.id] for window in windows),
        tuple(records[window.id] for window in windows),
    )
