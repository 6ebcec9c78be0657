"""The text files of an RMT sweep, from its report and its runs (design page 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from invarlock.families import Family
from invarlock.policy.rmt import RmtPolicy
from invarlock.reports.epsilon_rows import EpsilonRow, epsilon_rows
from invarlock.reports.rmt_run_report import RmtRunReport
from invarlock.reports.rmt_sweep_report import RmtSweepReport
from invarlock.reports.sweep_files import closing_lines, csv_text, patch_text

REPORT = "rmt_sweep_report.json"
RUNS = "rmt_sweep_runs.csv"
SUMMARY = "rmt_sweep_summary.md"
PATCH = "tiers_patch_rmt_epsilon.yaml"


def runs_csv(runs: Iterable[RmtRunReport]) -> str:
    """One row a run: both edge risks, their delta and the band it was judged by, for each family."""
    return csv_text([_row(run) for run in runs])


def _row(run: RmtRunReport) -> dict[str, object]:
    metrics = run.rmt
    row: dict[str, object] = {
        "tier": run.meta.tier,
        "seed": run.meta.seed,
        "model": run.model.id,
        "null": run.null.value,
        "edit": run.edit.name,
        "status": metrics.status.value,
        "epsilon_violations": " ".join(family.value for family in metrics.epsilon_violations),
    }
    for family in Family:
        edge = metrics.families.get(family)
        row |= {
            f"edge_base_{family.value}": "" if edge is None else edge.edge_base,
            f"edge_cur_{family.value}": "" if edge is None else edge.edge_cur,
            f"delta_{family.value}": "" if edge is None else edge.delta,
            f"epsilon_{family.value}": "" if edge is None else edge.epsilon,
        }
    return row


def patch_yaml(report: RmtSweepReport) -> str:
    """The recommended ``rmt_guard`` keys, and a header that says what they rest on."""
    body = {
        tier: {"epsilon_by_family": {family.value: value for family, value in epsilons.items()}}
        for tier, summary in report.summaries.items()
        if (epsilons := summary.recommendations.epsilon_by_family)
    }
    return patch_text("rmt_guard", report, REPORT, _notes_of_patch(report), body)


def _notes_of_patch(report: RmtSweepReport) -> Iterable[str]:
    yield f"null: {report.config.null}, quantile {report.config.quantile:g}"
    yield f"scope: {next(iter(report.summaries.values())).scope}"
    for tier, summary in report.summaries.items():
        yield f"evidence ({tier}): {summary.evidence.statement}"
        if named := ", ".join(family.value for family in summary.evidence.unsupported):
            yield f"UNSUPPORTED ({tier}): {named}; {summary.evidence.n_needed} independent runs would support them"
        for family in (*summary.evidence.unvaried, *summary.evidence.unmeasured):
            yield f"LEFT OUT ({tier}, {family.value}): the one in force stays"


def summary_markdown(report: RmtSweepReport, policies: Mapping[str, RmtPolicy], plots: Sequence[str]) -> str:
    """The sweep for people: recommendation beside what is in force, evidence, counts."""
    options = report.config
    lines = [
        "# RMT epsilon sweep",
        "",
        f"{options.n_runs} runs: {len(options.tiers)} tier(s) x {len(options.seeds)} seed(s) x "
        f"{len(options.models)} model(s), null `{options.null}`, profile `{options.profile}`, "
        f"model {', '.join(f'`{model}`' for model in options.models)} ({options.basis}). "
        f"Edge risk is measured on up to {options.windows} windows a set.",
        "",
        next(iter(report.summaries.values())).scope,
        "",
    ]
    for tier, summary in report.summaries.items():
        lines += [
            f"## {tier}",
            "",
            *_table(epsilon_rows(summary, policies[tier]), summary.quantile),
            "",
            f"{summary.observed.beyond_band_rate:.3g} of the runs are beyond the present band of some family.",
            "",
            summary.evidence.statement,
            "",
        ]
        if summary.n_missing:
            lines += [f"{summary.n_missing} run(s) carry no RMT guard and count in no rate.", ""]
    return "\n".join([*lines, *closing_lines(report, plots)])


def _table(rows: Sequence[EpsilonRow], quantile: float) -> list[str]:
    """delta = edge risk of the current model over the baseline's - 1."""
    return [
        f"| family | independent runs | delta, {quantile:g} quantile | largest delta | beyond now | epsilon now "
        "| recommended | the gate | supported |",
        "|---|---:|---:|---:|---:|---:|---:|---|---|",
        *(
            f"| {row.family} | {row.n} of {row.n_needed} | {row.delta_quantile:.6f} | {row.delta_largest:.6f} | "
            f"{row.beyond_now} | {row.epsilon_now:g} | {'left out' if row.epsilon is None else f'{row.epsilon:g}'} | "
            f"{row.change or ''} | {_supported(row)} |"
            for row in rows
        ),
    ]


def _supported(row: EpsilonRow) -> str:
    return {None: "", True: "yes", False: "NO"}[row.supported]
