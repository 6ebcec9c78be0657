"""A finished VE sweep in the terminal: the table, what the numbers support, and what to do next."""

from __future__ import annotations

from rich.table import Table

from invarlock.calibration.ve_records import MinEffectRule
from invarlock.cli.console import out
from invarlock.cli.sweep_view import show_next, show_statements, show_work
from invarlock.reports.ve_sweep_result import MinEffectRow, VeSweepResult


def show_ve_sweep(result: VeSweepResult) -> None:
    """Print ``result`` for a person."""
    table = Table(title=f"Variance-equalization sweep: {result.n_runs} runs", title_justify="left")
    for column in ("tier", "rule"):
        table.add_column(column, no_wrap=True)
    for column in ("now", "new", "other rule", "enabled now", "at new"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in result.rows:
        table.add_row(*_cells(row))
    out.print(table)
    out.print("now, new, other rule: min_effect_lognll, nats per token; enabled: share of runs", style="dim")
    show_statements(result.statements)
    show_work(result)
    show_next(result)


def _cells(row: MinEffectRow) -> tuple[str, ...]:
    changed = row.min_effect != row.min_effect_now
    other = row.half_width if row.rule == MinEffectRule.TARGET_RATE else row.target_rate
    return (
        row.tier,
        row.rule,
        f"{row.min_effect_now:g}",
        f"[bold]{row.min_effect:g}[/bold]" if changed else f"{row.min_effect:g}",
        "none" if other is None else f"{other:g}",
        f"{row.enable_rate_now:.1%}",
        f"{row.enable_rate:.1%}",
    )
