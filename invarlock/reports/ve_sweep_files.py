"""The text files of a VE sweep, from its report and its runs (seed 000, design page 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from invarlock.calibration.change import change_of
from invarlock.calibration.ve_records import (
    SCOPE_OF_EVIDENCE,
    MinEffectRule,
    PowerPoint,
    VeRecommendation,
    VeSummary,
)
from invarlock.policy.keys import Relaxes
from invarlock.reports.sweep_files import closing_lines, csv_text, patch_text, plan_text
from invarlock.reports.ve_run_report import VeRunReport
from invarlock.reports.ve_sweep_report import VeSweepReport

REPORT = "ve_sweep_report.json"
RUNS = "ve_sweep_runs.csv"
POWER = "ve_power_curve.csv"
SUMMARY = "ve_sweep_summary.md"
PATCH = "tiers_patch_variance_ve.yaml"


def runs_csv(runs: Iterable[VeRunReport]) -> str:
    """One row a run: what the gate said of it. Deltas are nats per token; empty where there is no interval."""
    return csv_text([_row(run) for run in runs])


def _row(run: VeRunReport) -> dict[str, object]:
    metrics = run.variance
    gate = metrics.predictive_gate
    lower, upper = gate.delta_ci or ("", "")
    return {
        "tier": run.meta.tier,
        "seed": run.meta.seed,
        "windows": run.data.calibration_windows,
        "predictive_evaluated": gate.evaluated,
        "predictive_mean_delta": "" if gate.mean_delta is None else gate.mean_delta,
        "predictive_delta_ci_lo": lower,
        "predictive_delta_ci_hi": upper,
        "predictive_ci_width": gate.delta_ci[1] - gate.delta_ci[0] if gate.delta_ci else "",
        "predictive_reason": gate.reason.value,
        "enabled": metrics.enabled,
        "scaled_modules": len(metrics.target_modules),
        "edit_cost": "" if metrics.edit_cost is None else metrics.edit_cost,
        "model": run.model.id,
    }


def power_csv(curve: Sequence[PowerPoint]) -> str:
    """One row a tier and window count. Empty where no run has an interval."""
    rows = [point.model_dump(mode="json") for point in curve]
    columns = ("tier", "windows", "runs", "mean_ci_width", "sigma_hat", "half_width")
    return csv_text([{name: "" if row[name] is None else row[name] for name in columns} for row in rows])


def patch_yaml(report: VeSweepReport) -> str:
    """The recommended ``variance_guard`` keys, and a header that says what they rest on.

    A tier of which no run has an interval is left out: nothing measured moves no threshold.
    """
    body = {
        tier: {"min_effect_lognll": advice.min_effect_lognll}
        for tier, summary in report.summaries.items()
        if (advice := summary.measured) is not None
    }
    return patch_text("variance_guard", report, REPORT, _notes_of_patch(report), body)


def _notes_of_patch(report: VeSweepReport) -> Iterable[str]:
    yield f"rule: {report.config.rule}, target enable rate {report.config.target_enable_rate:g}"
    yield f"scope: {SCOPE_OF_EVIDENCE}"
    for tier, summary in report.summaries.items():
        yield f"evidence ({tier}): {summary.evidence.statement}"
        if summary.measured is None:
            yield f"LEFT OUT ({tier}): no run has an interval that a value could rest on; the one in force stays"
            continue
        if not summary.evidence.target_shown:
            yield f"UNSUPPORTED ({tier}): the runs do not show the target rate {summary.target_enable_rate:g}"


def summary_markdown(
    report: VeSweepReport, runs: Iterable[VeRunReport], current: Mapping[str, float], plots: Sequence[str]
) -> str:
    """The sweep for people: recommendation beside what is in force, reasons, scales, power, evidence."""
    scaled = _scaled_modules(runs)
    options = report.config
    lines = [
        "# Variance-equalization sweep",
        "",
        f"{options.n_runs} runs: {len(options.tiers)} tier(s) x {len(options.windows)} window count(s) x "
        f"{len(options.seeds)} seed(s) x {len(options.models)} model(s), edit `{options.edit}` "
        f"({plan_text(options.edit_plan)}), profile `{options.profile}`, "
        f"model {', '.join(f'`{model}`' for model in options.models)} ({options.basis}).",
        "",
        "Effects are nats per token: how much lower the loss of the edited model is with scales than without.",
        "",
        *_recommendations(report, current),
        "",
        SCOPE_OF_EVIDENCE,
        "",
    ]
    for tier, summary in report.summaries.items():
        lines += [
            f"## {tier}",
            "",
            summary.evidence.statement,
            "",
            *_reasons(summary),
            "",
            *scaled.get(tier, ["No scale was proposed."]),
            "",
            *_power(summary),
            "",
        ]
    return "\n".join([*lines, *closing_lines(report, plots)])


def _recommendations(report: VeSweepReport, current: Mapping[str, float]) -> list[str]:
    rows = [
        "| tier | min_effect now | recommended | the gate | supported | by target-rate | by half-width | enabled now "
        "| enabled at it |",
        "|---|---:|---:|---|---|---:|---:|---:|---:|",
    ]
    for tier, summary in report.summaries.items():
        chosen = summary.measured
        recommended = "nothing measured" if chosen is None else f"{chosen.min_effect_lognll:g}"
        values = " | ".join(_value(summary, rule) for rule in MinEffectRule)
        change = "" if chosen is None else change_of(current[tier], chosen.min_effect_lognll, Relaxes.LOWERED)
        shown = "yes" if summary.evidence.target_shown else "NO"
        rows.append(
            f"| {tier} | {current[tier]:g} | {recommended} | {change} | {shown} | {values} | "
            f"{summary.observed.enable_rate:.3g} | {_rate(chosen)} |"
        )
    return rows


def _scaled_modules(runs: Iterable[VeRunReport]) -> dict[str, list[str]]:
    """By tier, a table of the modules that scales were proposed for."""
    factors: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for module, factor in run.variance.proposed_scales.items():
            factors.setdefault(run.meta.tier, {}).setdefault(module, []).append(factor)
    return {
        tier: [
            "| scaled module | runs | factors |",
            "|---|---:|---|",
            *(
                f"| `{name}` | {len(of)} | {min(of):.4g} to {max(of):.4g} |"
                for name, of in sorted(modules.items())
            ),
        ]
        for tier, modules in factors.items()
    }


def _rate(chosen: VeRecommendation | None) -> str:
    if chosen is None:
        return "none"
    low, high = chosen.enable_rate_interval
    return f"{chosen.expected_enable_rate:.3g} ({low:.3g} to {high:.3g})"


def _value(summary: VeSummary, rule: MinEffectRule) -> str:
    advice = summary.by_rule[rule]
    return "none" if advice is None else f"{advice.min_effect_lognll:g}"


def _reasons(summary: VeSummary) -> list[str]:
    rows = ["| why the gate said so | share of runs |", "|---|---:|"]
    return rows + [f"| {reason} | {share:.3g} |" for reason, share in summary.observed.reasons.items()]


def _power(summary: VeSummary) -> list[str]:
    rows = [
        "| windows | runs with an interval | mean CI width | sigma | half-width |",
        "|---:|---:|---:|---:|---:|",
    ]
    for point in summary.power_curve:
        numbers = (point.mean_ci_width, point.sigma_hat, point.half_width)
        shown = " | ".join("none" if number is None else f"{number:.3g}" for number in numbers)
        rows.append(f"| {point.windows} | {point.runs} | {shown} |")
    return rows
