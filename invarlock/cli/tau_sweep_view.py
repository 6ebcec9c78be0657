"""A finished tau sweep in the terminal: the curves, the recommendation on both splits, and what to do with it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from invarlock.cli.console import out
from invarlock.cli.sweep_view import near, show_steps
from invarlock.reports.tau_sweep_files import TABLE, rate_text
from invarlock.reports.tau_sweep_result import TauRow, TauSweepResult
from invarlock.tau.recommendation_record import Constraint

_SHOWN = 15  # rows; the files have all


def show_tau_sweep(result: TauSweepResult) -> None:
    """Print ``result`` for a person."""
    out.print(_curves(result))
    out.print(
        "fn_in: in range and on the bottom; fp_cens: censored and accepted, 95 % interval; "
        f"*: recommended; faults: {result.n_fault}",
        style="dim",
        soft_wrap=True,
    )
    for key, reason in result.reasons.items():
        out.print(f"[yellow]{key} is empty[/yellow]: {escape(reason)}")
    if result.statement is not None and result.status is not None:
        if result.splits:
            out.print(_splits(result))
        out.print(f"[bold]{result.status.value}[/bold]: {escape(result.statement)}", soft_wrap=True)
    for warning in result.warnings:
        out.print(f"[yellow]warning[/yellow]: {escape(warning)}", soft_wrap=True)
    if result.tau_infer is not None:
        train = "" if result.tau_train is None else f", tau_train={result.tau_train!r}"
        gate = f', gate_dtype="{result.gate_dtype}"'
        out.print(f"\n  InferenceConfig(tau_infer={result.tau_infer!r}{train}{gate})", soft_wrap=True)
    show_steps(result, "review" if result.patch else "change", _next(result))


def _curves(result: TauSweepResult) -> Table:
    table = Table(title=f"tau_infer sweep: head {escape(result.head)}", title_justify="left")
    for column in ("tau", "fn_in", "fp_cens", "interval", "bottom_rate"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in _thinned(result):
        interval = row.fp_cens_interval
        table.add_row(
            f"* {row.tau:.4g}" if row.tau == result.tau_infer else f"{row.tau:.4g}",
            rate_text(row.fn_in),
            rate_text(row.fp_cens),
            "-" if interval is None else f"{interval[0]:.3g} to {interval[1]:.3g}",
            rate_text(row.bottom_rate),
            style="bold" if row.tau == result.tau_infer else None,
        )
    return table


def _thinned(result: TauSweepResult) -> Sequence[TauRow]:
    """As many rows as fit, evenly, with the recommended one."""
    step = -(-len(result.rows) // _SHOWN)
    return [
        row
        for place, row in enumerate(result.rows)
        if place % step == 0 or row.tau == result.tau_infer or place == len(result.rows) - 1
    ]


def _splits(result: TauSweepResult) -> Table:
    table = Table(title="At the tau of the requirement", title_justify="left")
    table.add_column("split", no_wrap=True)
    for column in ("accepted", "fp_cens", "at most", "fn_in", "bottom_rate"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, point in result.splits.items():
        rates = (point.fp_cens, point.fp_cens_upper, point.fn_in, point.bottom_rate)
        table.add_row(name, f"{point.fp_cens_count:,} of {point.n_cens:,}", *map(rate_text, rates))
    return table


def _next(result: TauSweepResult) -> str:
    if result.patch is not None:
        return f"invarlock policy diff {near(result.base_policy)} {near(result.patch)}"
    if result.status is None:
        return "say what is required, as --max-fp 0.01, for a recommendation"
    reached = result.splits.get("calibration")
    if reached is None:
        way = "a larger --max-fp, or more censored samples"
    elif result.binding is Constraint.MAX_BOTTOM:
        way = f"--max-bottom {_not_below(reached.bottom_rate)}, the least with this --max-fp, or a larger --max-fp"
    elif reached.fn_in is None:
        way = "samples in range, or no --max-fn"
    else:
        way = f"--max-fn {_not_below(reached.fn_in)}, the least with this --max-fp, or a larger --max-fp"
    return f"{way}; {TABLE} has what each tau gives"


def _not_below(rate: float | None) -> str:
    """Four decimals that a ceiling can be set to."""
    return f"{math.ceil(1e4 * (rate or 0)) / 1e4:g}"
