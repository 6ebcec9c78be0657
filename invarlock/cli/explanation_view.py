"""An explained evaluation in the terminal: the verdict, every gate, where thresholds came from, what to do next."""

from __future__ import annotations

from collections.abc import Iterable

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from invarlock.cli.console import out
from invarlock.gates.support import GateStatus
from invarlock.reports.evaluation_report import Outcome
from invarlock.reports.explain_settings import by_layer
from invarlock.reports.explanation import Comparison, Explanation, GateExplanation, Setting

_VERDICTS = {
    Outcome.PASS: "[bold green]PASS[/]",
    Outcome.FAIL: "[bold red]FAIL[/]",
    Outcome.ABORTED: "[bold red]ABORTED[/]",
}

_WIDE = 110  # columns from which a note has a column of its own


def show_explanation(told: Explanation) -> None:
    """Print ``told`` for a person."""
    if told.caution:
        out.print(f"[bold red]{escape(told.caution)}[/]\n")
    out.print(
        f"{_VERDICTS[told.outcome]}  [bold]{escape(told.subject.id)}[/] against [bold]{escape(told.baseline.id)}[/]"
    )
    out.print(escape(told.headline))
    _lines(told.reasons, mark="-")
    _show_overview(told.gates)
    for gate in told.gates:
        _show_gate(gate)
    out.print(f"\n[bold]{told.variance.title}[/]  [dim]information, never a gate[/]")
    _lines([told.variance.finding])
    _lines(told.variance.notes, mark="-")
    _show_settings(told.variance.settings)
    _show_origin(told)
    out.print("\n[bold]Next[/bold]")
    _lines(told.next_steps, mark="-")


def _show_overview(gates: Iterable[GateExplanation]) -> None:
    table = _plain_table()
    for gate in gates:
        table.add_row(*_state(gate), f"[bold]{escape(gate.title)}[/]", f"[dim]{gate.flag}[/]")
    out.print()
    _indented(table)


def _show_gate(gate: GateExplanation) -> None:
    mark, state = _state(gate)
    out.print(f"\n{mark} [bold]Gate: {escape(gate.title)}[/]  {state}")
    _lines([gate.finding])
    if gate.comparisons:
        _indented(_comparisons(gate))
    _lines(gate.notes, mark="-")
    _show_settings(gate.settings)


def _state(gate: GateExplanation) -> tuple[str, str]:
    """A mark and a word; where a gate passes without deciding, the word is why."""
    if not gate.acceptable:
        return "[bold red]✗[/]", f"[bold red]{'fails' if gate.judged else 'not judged'}[/]"
    if gate.status is GateStatus.ENFORCED:
        return "[green]✓[/]", "[green]holds[/]"
    return "[yellow]–[/]", f"[yellow]{gate.status.value}[/]"


def _comparisons(gate: GateExplanation) -> Table:
    intervals, wide = any(each.interval for each in gate.comparisons), out.width >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("value", justify="right", no_wrap=True)
    if intervals:
        table.add_column("95 % interval", no_wrap=True)
    table.add_column("allowed", no_wrap=True)
    table.add_column("", no_wrap=True)
    if wide:
        table.add_column("", style="dim")
    for each in gate.comparisons:
        note = escape(each.note)
        below = f"\n[dim]{note}[/]" if note and not wide else ""
        table.add_row(
            f"{escape(each.what)}{below}",
            each.value_text,
            *((each.interval_text,) if intervals else ()),
            each.rule_text,
            _mark(each, gate),
            *((note,) if wide else ()),
        )
    return table


def _mark(comparison: Comparison, gate: GateExplanation) -> str:
    if comparison.holds:
        return "[green]✓[/]"
    return "[yellow]✗[/]" if gate.acceptable else "[bold red]✗[/]"


def _show_settings(settings: Iterable[Setting]) -> None:
    for source, section, group in by_layer(settings):
        values = ", ".join(f"{each.key} {escape(each.text)}" for each in group)
        style = "bold yellow" if group[0].overridden else "dim"
        _lines([f"{section} set by {source}: {values}"], style=style)


def _show_origin(told: Explanation) -> None:
    """Hashes by their first 16 digits: ``--json`` has them whole."""
    policy = told.policy
    table = _plain_table()
    for name, what in (
        ("data", told.data),
        ("edit", told.edit),
        ("policy", f"{policy.tier}, profile {policy.profile}, assurance {policy.assurance}"),
        ("policy digest", policy.digest),
        ("baseline", f"{told.baseline.id}  weights {told.baseline.digest[:16]}"),
        ("subject", f"{told.subject.id}  weights {told.subject.digest[:16]}"),
        ("run key", told.run_key[:16]),
    ):
        table.add_row(f"[dim]{name}[/]", escape(what))
    out.print("\n[bold]Made from[/bold]")
    _indented(table)


def _lines(lines: Iterable[str], *, mark: str = "", style: str = "") -> None:
    """Each wrapped to the width of the terminal, and indented."""
    for line in lines:
        table = _plain_table()
        table.add_row(*([mark] if mark else []), f"[{style}]{escape(line)}[/]" if style else escape(line))
        _indented(table)


def _plain_table() -> Table:
    return Table(box=None, pad_edge=False, show_header=False)


def _indented(table: Table) -> None:
    out.print(Padding(table, (0, 0, 0, 2), expand=False))
