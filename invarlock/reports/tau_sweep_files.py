"""The text files of a tau sweep, from its report and its curves (design pages 5 and 7)."""

from __future__ import annotations

from collections.abc import Iterator

from invarlock.reports.sweep_files import base_line, commented, csv_text, origin_lines
from invarlock.reports.tau_sweep_report import TauSweepReport
from invarlock.tau.calibrate import TauCalibration
from invarlock.tau.requirement import Requirement
from invarlock.tau.samples import IdSource
from invarlock.tau.split import SplitRecipe
from invarlock.tau.sweep_files import KIND
from invarlock.tau.sweep_record import Interval, TauSweep
from invarlock.tau.tau_point import TauPoint
from invarlock.tau.tau_train import TauTrainRecommendation

REPORT = "tau_sweep_report.json"
SUMMARY = "tau_sweep_summary.md"
CURVES = f"{KIND}.json"
TABLE = f"{KIND}.csv"
PLOT = f"plots/{KIND}"
PATCH = "tiers_patch_tau.yaml"


def curves_csv(sweep: TauSweep) -> str:
    """One row a tau, in the order asked: rates, their intervals and the counts behind them; empty without samples."""
    columns = {
        "fn_in": (sweep.fn_in, sweep.fn_in_interval, sweep.fn_in_count),
        "fp_cens": (sweep.fp_cens, sweep.fp_cens_interval, sweep.fp_cens_count),
        "bottom": (sweep.bottom_rate, sweep.bottom_rate_interval, sweep.bottom_count),
    }
    rows: list[dict[str, object]] = []
    for place, tau in enumerate(sweep.taus):
        row: dict[str, object] = {"tau": tau, "tau_compared": sweep.taus_compared[place]}
        for name, (rates, intervals, counts) in columns.items():
            low, high = intervals[place] or ("", "")
            rate = rates[place]
            row |= {
                "bottom_rate" if name == "bottom" else name: "" if rate is None else rate,
                f"{name}_low": low,
                f"{name}_high": high,
                f"{name}_count": counts[place],
            }
        rows.append(row)
    return csv_text(rows)


def patch_yaml(report: TauSweepReport) -> str:
    """The record of the head under every tier, and a header that says what it rests on; no tier without a record."""
    header = [
        f"Recommended tau_infer of head {report.config.head}: for review, not yet policy.",
        *origin_lines(report.provenance.run_key, REPORT, report.content_sha256),
        base_line(report.provenance.tiers_sha256),
        *(basis_lines(report.calibration) if report.calibration else ()),
        *(f"WARNING: {warning}" for warning in report.warnings),
    ]
    tiers = report.config.tiers if report.record else ()
    # Made anew for each tier: YAML would write what is there twice as an alias.
    return commented(header, {tier.value: {"tau_guard": {"heads": _heads(report)}} for tier in tiers})


def _heads(report: TauSweepReport) -> dict[str, object]:
    return {report.config.head: report.record.model_dump(mode="json")} if report.record else {}


def basis_lines(found: TauCalibration) -> Iterator[str]:
    """What was found on the samples that calibrate, and on the others, and how they were told apart."""
    yield found.recommendation.statement
    if (point := found.evaluation) is not None:
        yield f"On the evaluation split: {point_text(point)}."
    yield f"The split has seed {found.split.seed}: {split_text(found.split)}."


def split_text(split: SplitRecipe) -> str:
    """How many rows are on each side, and what tells samples apart."""
    told = {
        IdSource.GIVEN: "sample id",
        IdSource.CLAIMED: "row number, each row said to be a sample of its own",
        IdSource.ROW_NUMBER: "row number",
    }[split.ids]
    return f"{split.n_calibration} rows calibrate, {split.n_evaluation} evaluate, by {told}"


def point_text(point: TauPoint) -> str:
    """False acceptance with its bound, false censoring and bottom, in a sentence's part."""
    upper = (
        ""
        if point.fp_cens_upper is None
        else f", at most {point.fp_cens_upper:.4g} with {point.confidence:.0%}"
    )
    return (
        f"{point.fp_cens_count} of {point.n_cens} censored samples accepted (fp_cens {rate_text(point.fp_cens)}"
        f"{upper}), fn_in {rate_text(point.fn_in)}, bottom_rate {rate_text(point.bottom_rate)}"
    )


def summary_markdown(report: TauSweepReport, sweep: TauSweep) -> str:
    """The sweep for people: what is recommended and why, both splits beside each other, where the curves are."""
    config = report.config
    lines = [
        f"# tau_infer of head {config.head}",
        "",
        f"{sweep.n} samples ({report.swept.value}) of {config.files['q_abs']}: {sweep.n_in} in range, {sweep.n_cens} "
        f"censored; {sweep.n_fault} faults, on the bottom at every tau. |Q| and tau compared in {sweep.dtype}.",
        *(f"\n{key} is empty: {reason}." for key, reason in sorted(sweep.reasons.items())),
        "",
        *(_recommendation(report, report.calibration) if report.calibration else [_NOTHING, ""]),
        f"![{KIND.replace('_', ' ')}]({PLOT}.svg)",
        "",
        f"Every tau: {KIND}.md, {TABLE}, {CURVES} (sha256 `{report.sweep_sha256}`, for a bundle's calibration).",
        "",
        f"Run key `{report.provenance.run_key}`, report content sha256 `{report.content_sha256}`.",
        "",
    ]
    return "\n".join(lines)


_NOTHING = "No requirement was given (`--max-fp`), so nothing is recommended."


def _recommendation(report: TauSweepReport, found: TauCalibration) -> list[str]:
    choice, split = found.recommendation, found.split
    tau = "none" if choice.tau_infer is None else repr(choice.tau_infer)
    train = "none" if report.tau_train is None else _train_text(report.tau_train)
    lines = [
        "| | |",
        "|---|---|",
        f"| status | {choice.status.value} |",
        f"| tau_infer | {tau} |",
        f"| tau_train | {train} |",
        f"| required | {requirement_text(choice.requirement)} |",
        f"| chosen from | {_rule_text(choice.grid)} |",
        f"| split | {split_text(split)}; seed {split.seed} |",
        f"| tiers | {', '.join(tier.value for tier in report.config.tiers)} |",
        "",
        choice.statement,
        "",
        *(f"**Warning**: {warning}.\n" for warning in report.warnings),
    ]
    points = {"calibration": choice.calibration, "evaluation": found.evaluation}
    if choice.calibration is not None:
        lines += [
            "| split | tau | censored | accepted | fp_cens | at most | fn_in | bottom_rate | faults |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
            *(_point_row(name, point) for name, point in points.items() if point is not None),
            "",
        ]
    return lines


def _point_row(name: str, point: TauPoint) -> str:
    return (
        f"| {name} | {point.tau:.6g} | {point.n_cens} | {point.fp_cens_count} | {rate_text(point.fp_cens)} | "
        f"{rate_text(point.fp_cens_upper)} | {_with_interval(point.fn_in, point.fn_in_interval)} | "
        f"{_with_interval(point.bottom_rate, point.bottom_rate_interval)} | {point.n_fault} |"
    )


def requirement_text(requirement: Requirement) -> str:
    """In words."""
    parts = [f"fp_cens <= {requirement.max_fp:g} with {100 * requirement.confidence:g} % confidence"]
    if requirement.max_fn is not None:
        parts.append(f"observed fn_in <= {requirement.max_fn:g}")
    if requirement.max_bottom is not None:
        parts.append(f"observed bottom_rate <= {requirement.max_bottom:g}")
    return ", ".join(parts)


def rate_text(rate: float | None) -> str:
    """Four digits; a dash where no sample has one."""
    return "-" if rate is None else f"{rate:.4g}"


def _with_interval(rate: float | None, interval: Interval | None) -> str:
    return (
        rate_text(rate) if interval is None else f"{rate_text(rate)} [{interval[0]:.4g}, {interval[1]:.4g}]"
    )


def _rule_text(grid: tuple[float, ...] | None) -> str:
    return "every value of the gate's dtype" if grid is None else f"a grid of {len(grid)}"


def _train_text(found: TauTrainRecommendation) -> str:
    return f"{found.tau_train!r}, {found.gap_rate:.4g} of the samples in the gap"
