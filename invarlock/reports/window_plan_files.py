"""The text files of a window plan, from its report (design page 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from invarlock.calibration.window_plan_records import PlanPoint, WindowPlan
from invarlock.reports.sweep_files import closing_lines, csv_text, plan_text
from invarlock.reports.window_plan_report import WindowPlanReport

REPORT = "window_plan_report.json"
TABLE = "window_plan.csv"
SUMMARY = "window_plan_summary.md"

WHERE = (
    "Window counts are set by run profiles, not by tiers.yaml, so there is no patch: change preview_n and final_n in "
    "runtime/profiles/<profile>.yaml under the config root, or evaluate with a profile that has enough."
)


def points_of(plan: WindowPlan) -> Iterator[tuple[str, PlanPoint]]:
    """Everything that the plan looked at, by what it is, in the order of a table."""
    yield from (("knee" if point.windows == plan.knee else "curve", point) for point in plan.curve)
    yield from ((f"profile {name}", point) for name, point in plan.profiles.items())
    yield "recommended", plan.recommended
    yield "all data", plan.most


def plan_csv(report: WindowPlanReport) -> str:
    """One row a tier and count. Half-widths: nats per token; the bootstrap's is empty beyond the pair's windows."""
    return csv_text(
        [
            {
                "tier": tier,
                "point": name,
                **point.model_dump(),
                "bca_half_width": "" if point.bca_half_width is None else point.bca_half_width,
            }
            for tier, plan in report.summaries.items()
            for name, point in points_of(plan)
        ]
    )


def summary_markdown(report: WindowPlanReport, plots: Sequence[str]) -> str:
    """The plan for people: what each tier needs, what the profiles give, where to change it."""
    options = report.config
    lines = [
        "# Window plan",
        "",
        f"How many final windows an evaluation needs for a half-width of ±{options.target_half_width:g} nats per "
        f"token. From {options.windows} of {options.available} windows, drawn by seed "
        f"{options.seeds[0]}: model `{options.models[0]}` ({options.basis}), edit `{options.edit}` "
        f"({plan_text(options.edit_plan)}).",
        "",
        "| tier | sided | sigma of a window | needed | floor | recommended | half-width there | knee |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
        *(_tier_row(tier, plan) for tier, plan in report.summaries.items()),
        "",
        WHERE,
        "",
        "Cost is in forward passes of one window, baseline and subject together; the preview windows come on top. A "
        "baseline that the store knows costs nothing again. Seconds a window on the machine of this run: "
        f"`volatile.timing` in {REPORT}.",
        "",
    ]
    for tier, plan in report.summaries.items():
        lines += [f"## {tier}", "", plan.statement, "", *_points(plan), ""]
    return "\n".join([*lines, *closing_lines(report, plots)])


def sided(plan: WindowPlan) -> str:
    """Whose 95 % it is: of each end, or of the interval."""
    return "one" if plan.one_sided else "two"


def _tier_row(tier: str, plan: WindowPlan) -> str:
    point = plan.recommended
    mark = "" if plan.attainable else " (more than the data have)"
    return (
        f"| {tier} | {sided(plan)} | {plan.sigma_hat:.4g} | {plan.windows_needed} | {plan.floor} | "
        f"{point.windows}{mark} | {point.half_width:.3g} | {plan.knee} |"
    )


def _points(plan: WindowPlan) -> list[str]:
    rows = [
        "| count | windows | passes | half-width | by bootstrap | meets target | meets floor |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    for name, point in points_of(plan):
        bootstrap = "" if point.bca_half_width is None else f"{point.bca_half_width:.3g}"
        rows.append(
            f"| {name} | {point.windows} | {point.passes} | {point.half_width:.3g} | {bootstrap} | "
            f"{_yes(point.meets_target)} | {_yes(point.meets_floor)} |"
        )
    return rows


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
