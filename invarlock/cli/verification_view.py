"""A verified evaluation in the terminal: the first field that disagrees, what was recomputed, what this cannot know."""

from __future__ import annotations

from itertools import islice

from rich.markup import escape
from rich.table import Table

from invarlock.cli.console import out
from invarlock.reports.verification import Disagreement, Verification

_MORE = 5  # disagreements listed after the first


def show_verification(found: Verification) -> None:
    """Print ``found`` for a person."""
    if found.first is None:
        out.print(f"[bold green]VERIFIED[/]  {escape(found.report)}: everything agrees", soft_wrap=True)
    else:
        out.print(f"[bold red]DOES NOT VERIFY[/]  {escape(found.report)}", soft_wrap=True)
        _show(found.first)
        _show_more(found)
    out.print()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    for check in found.checks:
        mark = "[green]✓[/]" if check.agrees else "[bold red]✗[/]"
        table.add_row(mark, escape(check.what), f"{check.compared:,} values")
    out.print(table)
    out.print(f"\nrun key {found.run_key}", soft_wrap=True)
    for note in (*found.notes, *found.limits):
        out.print(f"\n[dim]{escape(note)}[/]")


def _show(each: Disagreement) -> None:
    width = max(len(each.said_by), len(each.expected_by))
    for line in (
        f"  [bold]{escape(each.file)}: {escape(each.path)}[/]",
        f"    {each.said_by:<{width}}  [red]{escape(each.said)}[/]",
        f"    {each.expected_by:<{width}}  [green]{escape(each.expected)}[/]",
    ):
        out.print(line, soft_wrap=True)


def _show_more(found: Verification) -> None:
    rest = list(islice(found.disagreements, 1, None))
    if not rest:
        return
    out.print(f"  and {len(rest):,} more:", style="dim")
    for each in rest[:_MORE]:
        out.print(f"    {escape(each.sentence)}", style="dim", soft_wrap=True)
