"""The three files of the operating points, in a folder ``aggregated``. Equal results give equal bytes."""

from __future__ import annotations

from pathlib import Path

from invarlock.files import write_atomic, write_json
from invarlock.tau.operating_points import COVERAGE_FLOOR, OperatingPoints, Preset, choose_operating_points
from invarlock.tau.operating_points_diagnostics import DoseDiagnostics, diagnose
from invarlock.tau.operating_points_seeds import read_seed_results
from invarlock.tau.operating_points_summary import BOTTOM_COST, COVERAGE, CandidateSummary, Summary

AGGREGATED = "aggregated"
POINTS, SUMMARY, DIAGNOSTICS = (
    "dose_operating_points.json",
    "dose_operating_points.md",
    "dose_diagnostics.json",
)

COLUMNS = (
    "fp_cens",
    "fn_in",
    "accept_rate",
    COVERAGE,
    "macro_f1",
    "direction_f1",
    BOTTOM_COST,
    "fault_rate",
    "semantic_bottom_rate",
    "bottom_rate",
    "mae_in",
)


def write_operating_points(
    seed_results: Path, out: Path | None = None, *, coverage_floor: float = COVERAGE_FLOOR
) -> OperatingPoints:
    """Read the ``seed_*.json`` of a folder, choose, and write ``<out>/aggregated/``.

    out: default the folder itself. DataError for results that cannot be used, TauError for the coverage floor; then
    nothing is written. Each file is written whole or not at all.
    """
    files = read_seed_results(seed_results)
    points = choose_operating_points([file.result for file in files], coverage_floor=coverage_floor)
    diagnostics = diagnose(files, points)
    folder = (seed_results if out is None else out) / AGGREGATED
    write_json(folder / DIAGNOSTICS, diagnostics.model_dump(mode="json"))
    write_atomic(folder / SUMMARY, summary_markdown(points, diagnostics).encode())
    write_json(folder / POINTS, points.model_dump(mode="json"))  # last: it is the record to release
    return points


def summary_markdown(points: OperatingPoints, diagnostics: DoseDiagnostics) -> str:
    """The choice for people: what was chosen and by which rule, every candidate, the thresholds behind it."""
    lines = [
        "# DOSE operating points",
        "",
        f"Seeds: {', '.join(map(str, points.seeds))}. Cost of bottom: C = {points.bottom_cost}. Coverage floor of "
        f"safety_first: {points.coverage_floor:g}.",
        "",
        "| preset | candidate | chosen by, in order |",
        "|---|---|---|",
        *(_point_row(points, preset) for preset in Preset),
        "",
        "A metric of 0 is the best where low is better, a missing one the worst; what still ties goes by name. "
        "coverage = 1 - fn_in.",
        "",
        "## Candidates",
        "",
        "Mean over seeds, ± sample standard deviation where there are two seeds or more.",
        "",
        f"| candidate | {' | '.join(COLUMNS)} |",
        f"|---|{'---:|' * len(COLUMNS)}",
        *(_candidate_row(candidate) for candidate in points.candidates),
        "",
        *_missing(diagnostics),
        "## Observed thresholds",
        "",
        "| seed | candidate | tau_infer | tau_train |",
        "|---:|---|---:|---:|",
        *(
            f"| {one.seed} | {one.candidate} | {_threshold(one.tau_infer)} | {_threshold(one.tau_train)} |"
            for one in points.observed_taus
        ),
        "",
        *_splits(points),
    ]
    return "\n".join(lines)


def _text(summary: Summary) -> str:
    """``0.0123 ± 0.0045``; a dash for a missing mean."""
    if summary.mean is None:
        return "-"
    return f"{summary.mean:.4f}" if summary.std is None else f"{summary.mean:.4f} ± {summary.std:.4f}"


def _point_row(points: OperatingPoints, preset: Preset) -> str:
    point = points.operating_points[preset]
    chosen = f"none: {point.reason}" if point.candidate is None else f"**{point.candidate}**"
    if point.warning is not None:
        chosen += f"; warning: {point.warning}"
    return f"| {preset.value} | {chosen} | {', '.join((*points.keys[preset], 'name'))} |"


def _candidate_row(candidate: CandidateSummary) -> str:
    return f"| {candidate.name} | {' | '.join(_text(candidate.metrics[c]) for c in COLUMNS)} |"


def _missing(diagnostics: DoseDiagnostics) -> list[str]:
    lines = [
        f"- {one.candidate}: {one.metric} is missing in seeds {', '.join(map(str, one.seeds))}"
        for one in diagnostics.missing
    ]
    return ["Missing, and so ranked worst:", "", *lines, ""] if lines else []


def _splits(points: OperatingPoints) -> list[str]:
    if not points.splits:
        return ["No seed tells how its samples were split into calibration and evaluation.", ""]
    rows = [
        f"| {one.seed} | {one.recipe.seed} | {one.recipe.calibration_share:g} | {one.recipe.ids.value} | "
        f"{one.recipe.n_calibration} | {one.recipe.n_evaluation} |"
        for one in points.splits
    ]
    methods = sorted({f"`{one.recipe.method}`" for one in points.splits})
    return [
        "## Calibration/evaluation split",
        "",
        f"A sample calibrates where {' or '.join(methods)}.",
        "",
        "| seed | seed of the split | calibration share | ids | calibration samples | evaluation samples |",
        "|---:|---:|---:|---|---:|---:|",
        *rows,
        "",
    ]


def _threshold(tau: float | None) -> str:
    return "-" if tau is None else repr(tau)
