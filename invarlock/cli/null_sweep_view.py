"""A finished null sweep in the terminal: the table, what the numbers support, and what to do next."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from invarlock.cli.console import out
from invarlock.reports.null_sweep_result import CapRow, NullSweepResult


def show_null_sweep(result: NullSweepResult) -> None:
    """Print ``result`` for a person."""
    table = Table(title=f"Spectral null sweep: {result.n_runs} runs", title_justify="left")
    for column in ("tier", "family"):
        table.add_column(column, no_wrap=True)
    for column in ("modules", "max |z|", "κ now", "κ new", "tail"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in result.rows:
        table.add_row(*_cells(row))
    out.print(table)
    out.print("κ: cap on |z|; tail: chance of a Gaussian |z| above it; bold: a change", style="dim")
    if any(row.forced for row in result.rows):
        out.print("* fewer than 3 modules: |z| is fixed by arithmetic, the cap tests little", style="dim")
    for statement in dict.fromkeys(result.statements.values()):
        tiers = [tier for tier, said in result.statements.items() if said == statement]
        out.print(f"[bold]{', '.join(tiers)}[/bold]: {statement}", soft_wrap=True)
    if result.drift_statement:
        out.print(f"[bold]drift caps[/bold]: {result.drift_statement}", soft_wrap=True)
    _show_work(result)
    _show_next(result)


def _cells(row: CapRow) -> tuple[str, ...]:
    now = "none" if row.kappa_now is None else f"{row.kappa_now:g}"
    changed = row.kappa_now != row.kappa
    kappa = f"[bold]{row.kappa:g}[/bold]" if changed else f"{row.kappa:g}"
    mark = "*" if row.forced else ""
    return (
        row.tier,
        row.family,
        f"{row.modules:g}",
        f"{row.max_z:.4f}",
        now,
        kappa + mark,
        f"{row.modeled_tail:.2e}",
    )


def _show_work(result: NullSweepResult) -> None:
    work = result.work
    out.print(
        f"\nMeasured {work.measured['window_loss']} window losses and {work.measured['tensor_stats']} matrices in "
        f"{sum(work.seconds.values()):.1f} s; everything else was found in the store."
    )
    if work.quarantined:
        count, first = len(work.quarantined), work.quarantined[0]
        out.print(
            f"[yellow]{count} damaged measurements were set aside and measured anew, such as {first}[/yellow]",
            soft_wrap=True,
        )


def _show_next(result: NullSweepResult) -> None:
    shown = _near(result.out)
    out.print("\n[bold]Next[/bold]", soft_wrap=True)
    steps = (
        ("read", f"{shown}/{Path(result.summary).name}"),
        ("review", f"invarlock policy diff {_near(result.base_policy)} {shown}/{Path(result.patch).name}"),
        ("browse", "invarlock up, then the links below"),
        ("MLflow", f"run {result.links.mlflow_run_id}  {result.links.mlflow_url}"),
        ("Prefect", result.links.prefect_url or "no UI address is known"),
    )
    for name, what in steps:
        out.print(f"  {name:<8} {what}", soft_wrap=True)


def _near(path: str) -> Path:
    """``path`` as seen from the working folder, where it is below it."""
    here = Path.cwd()
    return Path(path).relative_to(here) if Path(path).is_relative_to(here) else Path(path)
