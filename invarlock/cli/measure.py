"""``invarlock measure``: the weight statistics of a checkpoint, alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from invarlock.cli.console import out, progress_shown
from invarlock.home import home
from invarlock.network import apply_network_switch

if TYPE_CHECKING:
    from invarlock.measure.comparison import Comparison


def measure(
    model: Annotated[str, typer.Argument(help="Folder, hub id or bundled:NAME.")],
    against: Annotated[
        str | None, typer.Option(help="Baseline to measure the drift from: folder, hub id or bundled:NAME.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print {modules: [...]} as JSON.")] = False,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Allow a download from the hub.")
    ] = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Accept pytorch_model.bin where no safetensors exist.")
    ] = False,
) -> None:
    """Measure every weight matrix of a model, streaming: sigma_max with its certificate, norms, stable rank.

    The model is never built and memory stays near the size of its largest tensor. With --against, also how far each
    matrix moved: log sigma ratio, relative change, and the edit edge (about 1 when the change is noise).

    Example:  invarlock measure ./quantized --against ./original --json
    """
    apply_network_switch(allow_network)
    from invarlock.checkpoints.checkpoint import open_checkpoint
    from invarlock.measure.comparison import compare
    from invarlock.store.measurement_store import MeasurementStore

    store = MeasurementStore(home() / "measurements")
    with progress_shown(not as_json):
        subject = open_checkpoint(model, allow_pickle=allow_pickle, allow_network=allow_network)
        baseline = (
            open_checkpoint(against, allow_pickle=allow_pickle, allow_network=allow_network)
            if against
            else None
        )
        comparison = compare(subject, baseline, store)
    if as_json:
        print(json.dumps(comparison.as_json(), indent=2))
        return
    title = f"{escape(Path(model).name)}: {len(comparison.weights.modules)} matrices"
    out.print(_table(comparison, title=title))
    out.print(f"model digest {comparison.weights.model_digest}")
    if against:
        out.print(
            "log σ/σ0: growth of sigma_max; ‖D‖/‖W0‖: size of the change; edit edge: about 1 where it is noise"
        )


def _table(comparison: Comparison, title: str) -> Table:
    moved = bool(comparison.drift)
    table = Table(Column("module", overflow="fold"), title=title)
    table.add_column("family", no_wrap=True)
    numbers = ("log σ/σ0", "‖D‖/‖W0‖", "edit edge") if moved else ("shape", "± bound", "stable rank")
    for column in ("sigma_max", *numbers):
        table.add_column(column, justify="right", no_wrap=True)
    for m in comparison.weights.modules:
        if moved:
            drift = comparison.drift[m.name]
            cells = (f"{drift.log_sigma:+.2e}", f"{drift.relative_change:.2e}", f"{drift.edit_edge:.3f}")
        else:
            cells = (f"{m.shape[0]}×{m.shape[1]}", f"{m.sigma_residual:.1g}", f"{m.stable_rank:.2f}")
        table.add_row(escape(m.name), m.family.value, f"{m.sigma_max:.5g}", *cells)
    return table
