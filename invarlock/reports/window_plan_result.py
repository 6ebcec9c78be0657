"""What a window plan hands back to its caller: where everything is, and the table a person reads first."""

from __future__ import annotations

from pathlib import Path

from invarlock.calibration.window_plan_records import WindowPlan
from invarlock.calibration.window_sizing import WindowSizing
from invarlock.home import config_root
from invarlock.record import Record
from invarlock.reports.sweep_result import CalibrationResult, Links, finished
from invarlock.reports.window_plan_files import REPORT, SUMMARY, WHERE
from invarlock.reports.window_plan_report import WindowPlanReport


class WindowRow(Record):
    """One tier. Half-widths: nats per token.

    windows: recommended; passes, seconds: cost of the final windows of both models; profiles: half-width by name;
    reachable: half-width with all data; enough: profiles that suffice, None where the data have too few windows.
    """

    tier: str
    one_sided: bool
    sigma_hat: float
    needed: int
    floor: int
    windows: int
    half_width: float
    knee: int
    passes: int
    seconds: float
    profiles: dict[str, float]
    reachable: float
    enough: tuple[str, ...] | None


class WindowPlanResult(CalibrationResult):
    """A finished window plan. statements: by tier; profiles: the folder whose files set window counts."""

    target_half_width: float
    rows: tuple[WindowRow, ...]
    statements: dict[str, str]
    where: str
    profiles: str


def window_plan_result(
    out: Path, sizing: WindowSizing, report: WindowPlanReport, links: Links
) -> WindowPlanResult:
    """The result of a plan published at ``out``."""
    seconds = report.volatile.timing.seconds_per_window
    return WindowPlanResult(
        **finished(out, sizing, report, links, report=REPORT, summary=SUMMARY).model_dump(),
        target_half_width=sizing.target_half_width,
        rows=tuple(_row(tier, plan, seconds) for tier, plan in report.summaries.items()),
        statements={tier: plan.statement for tier, plan in report.summaries.items()},
        where=WHERE,
        profiles=str(config_root() / "runtime/profiles"),
    )


def _row(tier: str, plan: WindowPlan, seconds_per_window: float) -> WindowRow:
    point = plan.recommended
    return WindowRow(
        tier=tier,
        one_sided=plan.one_sided,
        sigma_hat=plan.sigma_hat,
        needed=plan.windows_needed,
        floor=plan.floor,
        windows=point.windows,
        half_width=point.half_width,
        knee=plan.knee,
        passes=point.passes,
        seconds=point.passes * seconds_per_window,
        profiles={name: each.half_width for name, each in plan.profiles.items()},
        reachable=plan.most.half_width,
        enough=plan.profiles_that_suffice() if plan.attainable else None,
    )
