"""A finished window plan in the terminal: the table, what it rests on, and what to change where."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from invarlock.calibration.round_up import round_up_to_micro
from invarlock.cli.console import out
from invarlock.cli.sweep_view import near, show_statements, show_steps, show_work
from invarlock.reports.figure_files import plain_number
from invarlock.reports.window_plan_result import WindowPlanResult, WindowRow


def show_window_plan(result: WindowPlanResult) -> None:
    """Print ``result`` for a person."""
    table = Table(
        title=f"Window plan: final windows for ±{result.target_half_width:g} nats per token",
        title_justify="left",
    )
    table.add_column("tier", no_wrap=True)
    for column in ("sided", "σ", "floor", "windows", "knee", "passes", "time"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in result.rows:
        table.add_row(*_cells(row))
    out.print(table)
    out.print(
        "windows: recommended; passes, time: of both models, on this machine; preview windows come on top",
        style="dim",
    )
    out.print(_profiles(result.rows))
    show_statements(result.statements)
    show_work(result.work)
    show_steps(result, "change", _change(result))


def _cells(row: WindowRow) -> tuple[str, ...]:
    windows = (
        f"[bold]{row.windows:,}[/bold]" if row.enough is not None else f"[yellow]{row.windows:,}[/yellow]"
    )
    return (
        row.tier,
        "one" if row.one_sided else "two",
        f"{row.sigma_hat:.3g}",
        f"{row.floor}",
        windows,
        f"{row.knee}",
        f"{row.passes:,}",
        _duration(row.seconds),
    )


def _profiles(rows: tuple[WindowRow, ...]) -> Table:
    table = Table(title="Half-width by profile", title_justify="left")
    table.add_column("tier", no_wrap=True)
    for name in rows[0].profiles:
        table.add_column(escape(name), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row.tier, *(f"±{width:.2g}" for width in row.profiles.values()))
    return table


def _change(result: WindowPlanResult) -> str:
    """What to set where, for the tier that needs most."""
    row = max(result.rows, key=lambda each: each.windows)
    if row.enough is None:
        width = plain_number(round_up_to_micro(row.reachable))
        more = f"the data: give {2 * row.windows:,} windows of text"
        return f"{more}; or plan for what they allow: --target-half-width {width}"
    counts = f"preview_n and final_n to {row.windows} in {near(result.profiles)}/<profile>.yaml"
    if row.enough:
        return f"nothing: evaluate with --profile {row.enough[0]}; or set {counts}"
    return f"set {counts}; window counts are no tier policy, so there is no patch"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
