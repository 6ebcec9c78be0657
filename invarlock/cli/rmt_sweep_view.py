"""A finished RMT sweep in the terminal: the table, what the numbers support, and what to do next."""

from __future__ import annotations

from rich.table import Table

from invarlock.cli.console import out
from invarlock.cli.sweep_view import show_next, show_statements, show_work
from invarlock.reports.epsilon_rows import EpsilonRow
from invarlock.reports.rmt_sweep_result import RmtSweepResult


def show_rmt_sweep(result: RmtSweepResult) -> None:
    """Print ``result`` for a person."""
    table = Table(title=f"RMT epsilon sweep: {result.n_runs} runs, null {result.null}", title_justify="left")
    for column in ("tier", "family"):
        table.add_column(column, no_wrap=True)
    for column in ("runs", f"q{100 * result.quantile:g}", "ε now", "ε new", "the gate"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in result.rows:
        table.add_row(*_cells(row))
    out.print(table)
    out.print(
        "runs: independent, of those a bound takes; q: quantile of r_cur / r_base - 1",
        style="dim",
    )
    show_statements(result.statements)
    out.print(result.scope, soft_wrap=True)
    if any(row.supported is False for row in result.rows):
        needed = max(row.n_needed for row in result.rows)
        out.print(
            f"[yellow]For a supported bound[/yellow]: --n-seeds {needed} --fresh; what is measured stays measured.",
            soft_wrap=True,
        )
    show_work(result.work)
    show_next(result)


def _cells(row: EpsilonRow) -> tuple[str, ...]:
    return (
        row.tier,
        row.family,
        f"{row.n}/{row.n_needed}",
        f"{row.delta_quantile:.6f}",
        f"{row.epsilon_now:g}",
        _new(row),
        row.change.value if row.change else "",
    )


def _new(row: EpsilonRow) -> str:
    if row.epsilon is None:
        return "left out"
    return f"[bold]{row.epsilon:g}[/bold]" if row.epsilon != row.epsilon_now else f"{row.epsilon:g}"
