"""What every finished sweep shows in the terminal: what the runs support, the work done, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.markup import escape

from invarlock.cli.console import out
from invarlock.reports.sweep_report import Work
from invarlock.reports.sweep_result import CalibrationResult, SweepResult


def show_statements(statements: Mapping[str, str]) -> None:
    """What the runs show, each sentence once with the tiers that it holds for."""
    for statement in dict.fromkeys(statements.values()):
        tiers = [tier for tier, said in statements.items() if said == statement]
        out.print(f"[bold]{', '.join(tiers)}[/bold]: {escape(statement)}", soft_wrap=True)


def show_work(work: Work) -> None:
    """What was measured now, and damage that was found."""
    out.print(
        f"\nMeasured {work.measured['window_loss']} window losses ({work.forward_passes:g} forward passes) and "
        f"{work.measured['tensor_stats']} matrices in {sum(work.seconds.values()):.1f} s; everything else was found "
        "in the store.",
        soft_wrap=True,
    )
    if work.quarantined:
        count, first = len(work.quarantined), work.quarantined[0]
        out.print(
            f"[yellow]{count} damaged measurements were set aside and measured anew, such as {escape(first)}[/yellow]",
            soft_wrap=True,
        )


def show_next(result: SweepResult) -> None:
    """Where to read, review and browse."""
    show_steps(result, "review", f"invarlock policy diff {near(result.base_policy)} {near(result.patch)}")


def show_steps(result: CalibrationResult, name: str, what: str) -> None:
    """What to do next: read, then the step ``name`` of this kind of sweep, then browse."""
    out.print("\n[bold]Next[/bold]", soft_wrap=True)
    steps = (
        ("read", str(near(result.summary))),
        (name, what),
        ("browse", "invarlock up, then the links below"),
        ("MLflow", f"run {result.links.mlflow_run_id}  {result.links.mlflow_url}"),
        ("Prefect", result.links.prefect_url or "no UI address is known"),
    )
    for step, how in steps:
        out.print(f"  {step:<8} {escape(how)}", soft_wrap=True)


def near(path: str) -> Path:
    """``path`` as seen from the working folder, where it is below it."""
    here = Path.cwd()
    return Path(path).relative_to(here) if Path(path).is_relative_to(here) else Path(path)
