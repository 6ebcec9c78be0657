"""``invarlock measure``: the weight statistics of a checkpoint, alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from invarlock.cli.console import out, progress_shown
from invarlock.home import home
from invarlock.network import apply_network_switch


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
    table = Table(title=f"{Path(model).name}: {len(comparison.weights.modules)} matrices")
    for column in ("module", "family", "shape", "sigma_max", "± bound", "stable rank"):
        table.add_column(column, justify="left" if column in ("module", "family") else "right")
    if against:
        for column in ("log σ/σ0", "‖D‖/‖W0‖", "edit edge"):
            table.add_column(column, justify="right")
    for m in comparison.weights.modules:
        row = [
            m.name,
            m.family.value,
            f"{m.shape[0]}×{m.shape[1]}",
            f"{m.sigma_max:.5g}",
            f"{m.sigma_residual:.1g}",
            f"{m.stable_rank:.2f}",
        ]
        if (drift := comparison.drift.get(m.name)) is not None:
            row += [f"{drift.log_sigma:+.2e}", f"{drift.relative_change:.2e}", f"{drift.edit_edge:.3f}"]
        table.add_row(*row)
    out.print(table)
    out.print(f"model digest {comparison.weights.model_digest}")
