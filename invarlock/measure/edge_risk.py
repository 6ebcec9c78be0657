"""Edge risk of a model's activations, in the pass that also gives the window's loss (design page 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch

from invarlock.data.windows import Window
from invarlock.digests import digest_of
from invarlock.errors import DataError, MeasurementError, ModelError
from invarlock.measure.activation_edge import edge_risk
from invarlock.measure.beside_losses import measure_beside_losses
from invarlock.measure.edge_records import EdgeRisk, EdgeRiskRecord, EdgeSite, WindowEdges
from invarlock.measure.forward_hooks import hooked
from invarlock.measure.losses import pass_inputs, run_windows
from invarlock.measure.models import LoadedModel
from invarlock.measure.records import EstimatorContract, WindowLoss
from invarlock.measure.sigma_max import CONVERGED
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore

KIND = "edge_risk"
_VERSION = 1


def measure_edge_risk(
    model: LoadedModel,
    windows: Sequence[Window],
    sites: Sequence[EdgeSite],
    store: MeasurementStore,
    contract: EstimatorContract = CONVERGED,
    *,
    batch_size: int | None = None,
) -> EdgeRiskRecord:
    """Loss, and edge risk at every site, of each of ``windows``, in order, out of one forward pass.

    Each output is reduced to its risk as soon as it is there; none is kept. A pass is over one window, so every row
    of an output is a position of that window and none is padding: of a pair, the encoder's or the decoder's.
    batch_size: under which the losses are kept, as in :func:`measure_losses`.

    Raises
    ------
    DataError: no window. ModelError: the loaded model has none of the sites.
    MeasurementError: a site that has no output in the pass, or one that is constant or not finite (names site and
        window), and what :func:`measure_losses` raises.
    """
    if not windows:
        raise DataError("edge risk over no window", fix="give at least one window")
    paths = {path for path, _ in model.module.named_modules(remove_duplicate=False)}
    there = [site for site in sites if site.module in paths]
    if not there:
        raise ModelError(
            "the loaded model has none of the modules whose activations are to be measured",
            where=model.model_type,
            fix="take the sites of the same checkpoint",
        )
    losses, edges = measure_beside_losses(
        model,
        windows,
        store,
        WindowEdges,
        partial(_edges_key, model, sites=there, contract=contract),
        partial(_run, sites=there, contract=contract),
        batch_size=batch_size,
        alone=True,
    )
    return EdgeRiskRecord(
        contract=contract,
        sites=tuple(there),
        absent=tuple(site for site in sites if site.module not in paths),
        losses=losses,
        windows=edges,
    )


def _run(
    model: LoadedModel, windows: Sequence[Window], sites: Sequence[EdgeSite], contract: EstimatorContract
) -> list[tuple[WindowLoss, WindowEdges]]:
    [window] = windows
    found: dict[str, list[EdgeRisk]] = {site.module: [] for site in sites}
    hooks = (
        (module, partial(_reduce, found[site.module], site, window, contract))
        for site in sites
        for module in _modules(model, site)
    )
    with hooked(hooks):
        [loss] = run_windows(model, windows)
    silent = [name for name, edges in found.items() if not edges]
    if silent:
        raise MeasurementError(
            f"{len(silent)} modules gave no activation: {', '.join(silent)}",
            where=f"windows {window.id}",
            fix="check that the model runs these modules; one that it cannot run has no edge risk",
        )
    edges = {name: _joined(each) for name, each in found.items()}
    return [(loss, WindowEdges(window_id=window.id, edges=edges))]


def _reduce(
    found: list[EdgeRisk],
    site: EdgeSite,
    window: Window,
    contract: EstimatorContract,
    _module: torch.nn.Module,
    _inputs: object,
    output: object,
) -> None:
    try:
        found.append(edge_risk(_by_position(output), contract))
    except MeasurementError as error:
        where = f"{site.module}, windows {window.id}"
        raise MeasurementError(f"no edge risk: {error.what}", where=where, fix=error.fix) from error


def _by_position(output: object) -> torch.Tensor:
    """(positions, features): the first two dimensions of an output, or its first alone where it has but two."""
    first = output[0] if isinstance(output, tuple) else output  # a router hands on logits, weights and choice
    if not isinstance(first, torch.Tensor) or first.dim() < 2:
        raise MeasurementError(
            f"its output is no matrix but {type(first).__name__}", fix="measure another module"
        )
    return first if first.dim() == 2 else first.flatten(0, 1).flatten(1)


def _joined(edges: Sequence[EdgeRisk]) -> EdgeRisk:
    """Of a table that a window is looked up in more than once (T5: source and target), the mean by positions."""
    positions = sum(edge.positions for edge in edges)
    return EdgeRisk(
        risk=math.fsum(edge.risk * edge.positions for edge in edges) / positions,
        residual=math.fsum(edge.residual * edge.positions for edge in edges) / positions,
        positions=positions,
        features=edges[0].features,
    )


def _modules(model: LoadedModel, site: EdgeSite) -> list[torch.nn.Module]:
    """The module of the site; of an embedding, every lookup that shares its table."""
    own = model.module.get_submodule(site.module)
    if not isinstance(own, torch.nn.Embedding):
        return [own]
    return [
        module
        for module in model.module.modules()
        if isinstance(module, torch.nn.Embedding) and module.weight is own.weight
    ]


def _edges_key(
    model: LoadedModel, window: Window, *, sites: Sequence[EdgeSite], contract: EstimatorContract
) -> MeasurementKey:
    inputs = {
        **pass_inputs(model, window, 1),
        "sites": digest_of(sorted(site.module for site in sites)),
        "contract": contract.model_dump(mode="json"),
    }
    return MeasurementKey(kind=KIND, version=_VERSION, inputs=inputs)
