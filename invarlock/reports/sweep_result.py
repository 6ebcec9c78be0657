"""What a finished sweep hands back to its caller: where everything is, and what it did."""

from __future__ import annotations

from pathlib import Path

from invarlock.calibration.sweep_plan import M, SweepPlan
from invarlock.digests import sha256_file
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.record import Record
from invarlock.reports.sweep_report import SweepReport, Work


class Links(Record):
    """Where to look: MLflow's run, and Prefect's flow run when there is one."""

    mlflow_run_id: str
    mlflow_url: str
    prefect_url: str | None


class CalibrationResult(Record):
    """A finished sweep, whether or not it recommends policy. Paths are absolute."""

    out: str
    report: str
    summary: str
    run_key: str
    n_runs: int
    work: Work
    links: Links


class SweepResult(CalibrationResult):
    """A finished sweep that leaves a patch. base_policy: the tiers file that it was made against."""

    patch: str
    patch_sha256: str
    base_policy: str


def finished(
    out: Path, plan: SweepPlan[M], record: SweepReport, links: Links, *, report: str, summary: str
) -> CalibrationResult:
    """The part that every result has, of one published at ``out``; report, summary: names of files there."""
    return CalibrationResult(
        out=str(out),
        report=str(out / report),
        summary=str(out / summary),
        run_key=plan.run_key,
        n_runs=record.config.n_runs,
        work=record.volatile,
        links=links,
    )


def common_result(
    out: Path,
    plan: SweepPlan[M],
    record: SweepReport,
    links: Links,
    *,
    report: str,
    summary: str,
    patch: str,
) -> SweepResult:
    """As :func:`finished`, for a sweep with a patch of that name."""
    return SweepResult(
        **finished(out, plan, record, links, report=report, summary=summary).model_dump(),
        patch=str(out / patch),
        patch_sha256=sha256_file(out / patch),
        base_policy=str(live_tiers_path()),
    )
