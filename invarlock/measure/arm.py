"""One model of an evaluation over a schedule: losses, hits, edge risk; what cannot be measured is told, not raised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from invarlock.data.evenly_spaced import evenly_spaced
from invarlock.data.windows import Window
from invarlock.errors import MeasurementError
from invarlock.measure.arm_records import ArmRuns, Failure, Part
from invarlock.measure.edge_records import WINDOWS, EdgeSite
from invarlock.measure.edge_risk import measure_edge_risk
from invarlock.measure.hits import measure_hits
from invarlock.measure.losses import measure_losses
from invarlock.measure.models import LoadedModel
from invarlock.measure.records import EstimatorContract, WindowHits, WindowLoss
from invarlock.store.measurement_store import MeasurementStore

T = TypeVar("T")
Scored = tuple[tuple[WindowLoss, ...], tuple[WindowHits, ...]]


def measure_arm(
    model: LoadedModel,
    windows: Sequence[Window],
    sites: Sequence[EdgeSite],
    store: MeasurementStore,
    contract: EstimatorContract,
    *,
    count_hits: bool,
    batch_size: int | None = None,
) -> ArmRuns:
    """Run ``model`` over ``windows``, preview then final; edge risk is measured in the passes of a few of them.

    A damaged model is what an evaluation is there to find: a MeasurementError becomes a :class:`Failure` of its part.
    Whatever else is wrong is raised, as by :func:`measure_losses` and :func:`measure_edge_risk`.
    """
    chosen = [windows[index] for index in evenly_spaced(len(windows), WINDOWS)]
    edges, unmeasured = _attempt(
        Part.EDGES, partial(measure_edge_risk, model, chosen, sites, store, contract, batch_size=batch_size)
    )
    scored, unscored = _attempt(
        Part.LOSSES, partial(_score, model, windows, store, count_hits=count_hits, batch_size=batch_size)
    )
    losses, hits = scored or ((), ())
    return ArmRuns(losses=losses, hits=hits, edges=edges, failures=unscored + unmeasured)


def _score(
    model: LoadedModel,
    windows: Sequence[Window],
    store: MeasurementStore,
    *,
    count_hits: bool,
    batch_size: int | None,
) -> Scored:
    if count_hits:
        return measure_hits(model, windows, store, batch_size=batch_size)
    return measure_losses(model, windows, store, batch_size=batch_size), ()


def _attempt(part: Part, measure: Callable[[], T]) -> tuple[T | None, tuple[Failure, ...]]:
    try:
        return measure(), ()
    except MeasurementError as error:
        return None, (Failure(part=part, what=error.what, where=error.where),)
