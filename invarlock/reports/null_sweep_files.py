"""The text files of a null sweep, from its report and its runs (seed 000, design page 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from invarlock.calibration.null_records import NullSummary
from invarlock.families import Family
from invarlock.policy.schema import Scope
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.run_report import RunReport
from invarlock.reports.sweep_files import closing_lines, csv_text, patch_text

REPORT = "null_sweep_report.json"
RUNS = "null_sweep_runs.csv"
SUMMARY = "null_sweep_summary.md"
PATCH = "tiers_patch_spectral_null.yaml"


def runs_csv(runs: Iterable[RunReport]) -> str:
    """One row a run: what it warned of, and max |z|, candidates and selection by family."""
    return csv_text([_row(run) for run in runs])


def _row(run: RunReport) -> dict[str, object]:
    guard = next(guard for guard in run.guards if guard.name == "spectral")
    metrics = run.spectral
    selection = metrics.multiple_testing_selection
    row: dict[str, object] = {
        "tier": run.meta.tier,
        "seed": run.meta.seed,
        "model": run.model.id,
        "verdict": guard.verdict.value,
        "caps_applied": metrics.caps_applied,
        "caps_exceeded": metrics.caps_exceeded,
        "selected_families": " ".join(family.value for family in selection.families_selected),
        "final_perplexity": run.metrics.final,
        "ratio_vs_baseline": run.metrics.ratio_vs_baseline,
    }
    for family in Family:
        quantiles = metrics.family_z_quantiles.get(family)
        row[f"max_z_{family.value}"] = "" if quantiles is None else quantiles.max
        row[f"candidate_{family.value}"] = selection.family_violation_counts.get(family, 0)
        row[f"selected_{family.value}"] = int(family in selection.families_selected)
    return row


def patch_yaml(report: NullSweepReport) -> str:
    """The recommended ``spectral_guard`` keys, and a header that says where they came from and what they rest on."""
    body = {tier: _patch_of(summary, report) for tier, summary in report.summaries.items()}
    return patch_text("spectral_guard", report, REPORT, _notes_of_patch(report), body)


def _patch_of(summary: NullSummary, report: NullSweepReport) -> dict[str, object]:
    advice = summary.recommendations.model_dump(mode="json")
    patch: dict[str, object] = {
        "family_caps": dict(advice["family_caps"]),
        "multiple_testing": dict(advice["multiple_testing"]),
    }
    if report.drift_caps is not None:
        patch["drift_caps"] = {
            family.value: dict(cap)
            for family, cap in report.drift_caps.caps.items()
            if summary.fixed.scope in (None, Scope.ALL, family)
        }
    return patch


def _notes_of_patch(report: NullSweepReport) -> Iterable[str]:
    target = report.config.target_any_warning_rate
    for tier, summary in report.summaries.items():
        yield f"evidence ({tier}): {summary.evidence.statement}"
        if not summary.evidence.target_shown:
            yield f"UNSUPPORTED ({tier}): the runs do not show the target rate {target:g}"
        for family, forced in summary.evidence.degenerate_families.items():
            yield f"degenerate ({tier}): {family.value} has {forced.modules} module(s); its cap is forced by arithmetic"
    if report.drift_caps is not None and not report.drift_caps.supported:
        yield f"UNSUPPORTED (drift_caps): {report.drift_caps.statement}"


def summary_markdown(
    report: NullSweepReport, current_caps: Mapping[str, Mapping[Family, float]], plots: Sequence[str]
) -> str:
    """The sweep for people: recommendation beside what is in force, evidence, counts."""
    lines = [
        "# Spectral null sweep",
        "",
        f"{report.config.n_runs} runs: {len(report.config.tiers)} tier(s) x {len(report.config.seeds)} seed(s) x "
        f"{len(report.config.models)} model(s), null `{report.config.null}`, profile `{report.config.profile}`, "
        f"model {', '.join(f'`{model}`' for model in report.config.models)} ({report.config.basis}).",
        "",
    ]
    for tier, summary in report.summaries.items():
        lines += [
            f"## {tier}",
            "",
            *_tier_table(summary, current_caps[tier]),
            "",
            summary.evidence.statement,
            "",
        ]
        lines += _notes(summary)
    lines += _drift_section(report)
    return "\n".join([*lines, *closing_lines(report, plots)])


def _tier_table(summary: NullSummary, current: Mapping[Family, float]) -> list[str]:
    rows = [
        "| family | modules | max abs z | kappa now | kappa recommended | modeled tail | budget share |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for family, kappa in summary.recommendations.family_caps.items():
        check = summary.cross_check[family]
        mark = " (forced)" if family in summary.evidence.degenerate_families else ""
        now = current.get(family)
        rows.append(
            f"| {family.value} | {check.modules:g} | {summary.observed.family_max_z[family]:.4f} | "
            f"{'none' if now is None else f'{now:g}'} | {kappa:g}{mark} | {check.modeled_tail:.2e} | "
            f"{'' if check.budget is None else check.budget} |"
        )
    testing = summary.recommendations.multiple_testing
    rate = summary.observed.any_warning_rate
    rows += [
        "",
        f"Warning rate under the present caps: {rate:.3g}. Correction: {testing.method.value}, "
        f"alpha {testing.alpha:g}, m {testing.m}.",
    ]
    return rows


def _notes(summary: NullSummary) -> list[str]:
    notes = [
        f"- `{family.value}` has {forced.modules} module(s): an unchanged model's abs z is at most "
        f"{forced.largest_possible_z:g} there, so its cap tests little."
        for family, forced in summary.evidence.degenerate_families.items()
    ]
    if not summary.alpha_target_met:
        notes.append("- No alpha on the grid meets the target rate; alpha is kept.")
    if summary.n_missing:
        notes.append(f"- {summary.n_missing} run(s) carry no spectral guard and count in no rate.")
    return [*notes, ""] if notes else []


def _drift_section(report: NullSweepReport) -> list[str]:
    if report.drift_caps is None:
        return []
    lines = [
        "## Drift caps",
        "",
        "| family | log sigma | relative change | edit edge |",
        "|---|---:|---:|---:|",
    ]
    for family, cap in report.drift_caps.caps.items():
        lines.append(
            f"| {family.value} | {cap['log_sigma']} | {cap['relative_change']} | {cap['edit_edge']} |"
        )
    return [*lines, "", report.drift_caps.statement, ""]
