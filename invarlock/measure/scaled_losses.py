"""Losses of a variant under virtual scales: condition B of the predictive gate (seed 003)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from invarlock.data.windows import Window
from invarlock.errors import ModelError
from invarlock.measure.branch_records import ScaledLosses, VirtualScales
from invarlock.measure.losses import batches, kept, loss_key, windows_a_pass
from invarlock.measure.models import LoadedModel
from invarlock.measure.records import WindowLoss
from invarlock.measure.shared_prefix import Departure, run_departures
from invarlock.measure.side_by_side import side_by_side
from invarlock.measure.taps import find_taps
from invarlock.progress import advance, announce
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore


@dataclass(frozen=True)
class ScaledRequest:
    """The windows that one scale set is to be measured on."""

    scales: VirtualScales
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class _Job:
    """Windows of one shape that lack the losses of the same scale sets."""

    windows: list[Window]
    departures: list[Departure]


_Name = tuple[str, str]  # scales digest, window id


def measure_scaled(
    model: LoadedModel,
    requests: Sequence[ScaledRequest],
    store: MeasurementStore,
    *,
    batch_size: int | None = None,
) -> tuple[ScaledLosses, ...]:
    """The losses of every request, in order: each (scale set, window) run once, ever.

    Kept as window losses of the variant :meth:`VirtualScales.variant_of`. The scale sets that a window lacks run
    together and share the blocks before the first scaled one (:func:`run_departures`). batch_size: as in
    :func:`measure_losses`.

    Raises
    ------
    ModelError: a factor on a module that is no tap of the model.
    MeasurementError: what :func:`measure_losses` raises.
    """
    size = windows_a_pass(model, batch_size)
    departures = _departures(model, requests)
    keys = _keys(model, requests, size)
    found = kept(store, keys, WindowLoss)
    missing = keys.keys() - found.keys()
    announce("windows", len(missing))
    for job_losses in side_by_side(model, _jobs(requests, departures, missing, size), _run):
        for name, loss in job_losses.items():
            store.put(keys[name], loss)
            found[name] = loss
        advance("windows", len(job_losses))
    return tuple(
        ScaledLosses(
            scales=request.scales,
            losses=tuple(found[request.scales.digest, window.id] for window in request.windows),
        )
        for request in requests
    )


def _departures(model: LoadedModel, requests: Sequence[ScaledRequest]) -> dict[str, Departure]:
    """By scales digest."""
    blocks = {
        tap.module: tap.block
        for tap in find_taps((path for path, _ in model.module.named_modules()), model.model_type)
    }
    unknown = sorted({path for request in requests for path in request.scales.factors} - blocks.keys())
    if unknown:
        raise ModelError(
            f"no branch of a block is called {', '.join(unknown)}",
            where=model.model_type,
            fix=f"scale the output of branches, such as {next(iter(blocks))}",
        )
    return {
        request.scales.digest: Departure(request.scales, min(blocks[path] for path in request.scales.factors))
        for request in requests
    }


def _keys(model: LoadedModel, requests: Sequence[ScaledRequest], size: int) -> dict[_Name, MeasurementKey]:
    keys: dict[_Name, MeasurementKey] = {}
    for request in requests:
        digest = request.scales.variant_of(model.variant_digest)
        variant = dataclasses.replace(model, variant_digest=digest)
        for window in request.windows:
            keys[request.scales.digest, window.id] = loss_key(variant, window, size)
    return keys


def _jobs(
    requests: Sequence[ScaledRequest],
    departures: Mapping[str, Departure],
    missing: Set[_Name],
    size: int,
) -> list[_Job]:
    distinct = {window.id: window for request in requests for window in request.windows}
    alike: dict[tuple[str, ...], list[Window]] = {}
    for name, window in distinct.items():
        lacking = tuple(digest for digest in departures if (digest, name) in missing)
        alike.setdefault(lacking, []).append(window)
    return [
        _Job(batch, [departures[digest] for digest in lacking])
        for lacking, windows in alike.items()
        if lacking
        for batch in batches(windows, size)
    ]


def _run(model: LoadedModel, job: _Job) -> dict[_Name, WindowLoss]:
    measured = run_departures(model, job.windows, job.departures)
    return {(digest, loss.window_id): loss for digest, losses in measured.items() for loss in losses}
