"""A finished VE sweep in the terminal: the table, what the numbers support, and what to do next."""

from __future__ import annotations

from rich.table import Table

from invarlock.calibration.ve_records import SCOPE_OF_EVIDENCE, MinEffectRule
from invarlock.cli.console import out
from invarlock.cli.sweep_view import show_next, show_statements, show_work
from invarlock.reports.ve_sweep_result import MinEffectRow, VeSweepResult


def show_ve_sweep(result: VeSweepResult) -> None:
    """Print ``result`` for a person."""
    rule = MinEffectRule(result.rows[0].rule)
    (other,) = (each for each in MinEffectRule if each is not rule)
    table = Table(
        title=f"Variance-equalization sweep: {result.n_runs} runs, rule {rule.value}", title_justify="left"
    )
    table.add_column("tier", no_wrap=True)
    for column in ("now", "new", "the gate", f"by {other.value}", "enabled"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in result.rows:
        table.add_row(*_cells(row))
    out.print(table)
    out.print("min_effect_lognll, nats per token; enabled: share of runs now → at the new", style="dim")
    if unsupported := [row.tier for row in result.rows if row.min_effect is not None and not row.supported]:
        out.print(
            f"[yellow]UNSUPPORTED[/yellow]: the runs do not show the target rate ({', '.join(unsupported)})"
        )
    show_statements(result.statements)
    out.print(SCOPE_OF_EVIDENCE, soft_wrap=True)
    show_work(result.work)
    show_next(result)


def _cells(row: MinEffectRow) -> tuple[str, ...]:
    other = row.half_width if row.rule == MinEffectRule.TARGET_RATE else row.target_rate
    return (
        row.tier,
        f"{row.min_effect_now:g}",
        _new(row),
        "" if row.change is None else row.change.value,
        "none" if other is None else f"{other:g}",
        f"{row.enable_rate_now:.0%} → {'?' if row.enable_rate is None else f'{row.enable_rate:.0%}'}",
    )


def _new(row: MinEffectRow) -> str:
    if row.min_effect is None:
        return "unmeasured"
    return (
        f"[bold]{row.min_effect:g}[/bold]" if row.min_effect != row.min_effect_now else f"{row.min_effect:g}"
    )
