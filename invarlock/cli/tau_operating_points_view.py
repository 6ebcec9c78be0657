"""Operating points in the terminal: what was chosen, every candidate, and what to do with it."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from invarlock.cli.console import out
from invarlock.cli.sweep_view import near
from invarlock.reports.number_text import counted
from invarlock.tau.operating_points import OperatingPoints, Preset
from invarlock.tau.operating_points_files import DIAGNOSTICS, SUMMARY
from invarlock.tau.operating_points_summary import BOTTOM_COST

_SHOWN = ("fp_cens", "fn_in", "macro_f1", "direction_f1", BOTTOM_COST)
_HEADS = {BOTTOM_COST: "C"}


def show_operating_points(points: OperatingPoints, folder: Path) -> None:
    """Print ``points`` for a person. folder: where the files are."""
    out.print(_candidates(points))
    out.print(
        f"means over {counted(len(points.seeds), 'seed')}; C = {points.bottom_cost}",
        style="dim",
        soft_wrap=True,
    )
    for preset in Preset:
        out.print(_choice(points, preset), soft_wrap=True)
    out.print("\n[bold]Next[/bold]")
    steps = (
        ("read", str(near(str(folder / SUMMARY)))),
        ("check", f"{near(str(folder / DIAGNOSTICS))}: every rank and every seed's numbers"),
        (
            "ship",
            "set the chosen tau_infer in InferenceConfig and export_bundle, from invarlock.tau.inference",
        ),
    )
    for step, how in steps:
        out.print(f"  {step:<6} {escape(how)}", soft_wrap=True)


def _candidates(points: OperatingPoints) -> Table:
    table = Table(title="Operating points", title_justify="left")
    table.add_column("candidate", overflow="fold")
    for metric in _SHOWN:
        table.add_column(_HEADS.get(metric, metric), justify="right")
    for candidate in points.candidates:
        table.add_row(escape(candidate.name), *(_text(candidate.mean(metric)) for metric in _SHOWN))
    return table


def _choice(points: OperatingPoints, preset: Preset) -> str:
    point = points.operating_points[preset]
    if point.candidate is None:
        return f"[bold]{preset.value:<15}[/bold] [yellow]none[/yellow]: {point.reason}"
    taus = [
        "none" if one.tau_infer is None else f"{one.tau_infer:.4g}"
        for one in points.observed_taus
        if one.candidate == point.candidate
    ]
    chosen = f"[green]{escape(point.candidate)}[/green]"
    line = f"[bold]{preset.value:<15}[/bold] {chosen}  tau_infer by seed: {', '.join(taus)}"
    return line if point.warning is None else f"{line}\n[yellow]warning[/yellow]: {point.warning}"


def _text(mean: float | None) -> str:
    return "-" if mean is None else f"{mean:.4f}"
