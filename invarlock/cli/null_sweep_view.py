"""A finished null sweep in the terminal: the table, what the numbers support, and what to do next."""

from __future__ import annotations

from rich.table import Table

from invarlock.cli.console import out
from invarlock.cli.sweep_view import show_next, show_statements, show_work
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
    show_statements(result.statements)
    if result.drift_statement:
        out.print(f"[bold]drift caps[/bold]: {result.drift_statement}", soft_wrap=True)
    show_work(result.work)
    show_next(result)


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
