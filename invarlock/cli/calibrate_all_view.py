"""A finished full calibration in the terminal: what to change, what it rests on, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.markup import escape
from rich.table import Column, Table

from invarlock.cli.console import out
from invarlock.cli.policy import direction_text
from invarlock.cli.sweep_view import show_next, show_statements, show_work
from invarlock.policy.key_document import value_text
from invarlock.policy.schema import Tier
from invarlock.reports.full_report import Recommendation
from invarlock.reports.full_result import FullResult


def show_calibration(result: FullResult) -> None:
    """Print ``result`` for a person."""
    out.print(f"[bold]{len(result.rows)} values to change[/bold], from {result.n_runs} runs")
    for tier, rows in groupby(result.rows, key=lambda row: row.tier):
        out.print(_table(tier, rows))
    out.print(f"{result.kept} more values of the patch are those in force", style="dim")
    if unsupported := sum(not row.supported for row in result.rows):
        out.print(
            f"[yellow]UNSUPPORTED[/yellow]: the runs do not show what {unsupported} of the new values are to hold; the "
            "page and the patch say what it would take",
            soft_wrap=True,
        )
    out.print("[bold]Windows[/bold]")
    show_statements(result.windows)
    show_work(result.work)
    show_next(result)


def _table(tier: Tier, rows: Iterable[Recommendation]) -> Table:
    table = Table(Column("key", overflow="fold"), title=tier.value, title_justify="left")
    for column in ("now", "new"):
        table.add_column(column, justify="right")
    table.add_column("the gate")
    table.add_column("supported")
    for row in rows:
        table.add_row(
            escape(row.path.removeprefix(f"{tier.value}.").replace("_guard.", ".", 1)),
            escape(value_text(row.old)),
            f"[bold]{escape(value_text(row.new))}[/bold]",
            direction_text(row.direction),
            "yes" if row.supported else "[yellow]NO[/yellow]",
        )
    return table
