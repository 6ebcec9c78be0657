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


class SweepResult(Record):
    """A finished sweep. Paths are absolute; base_policy: the tiers file that the patch was made against."""

    out: str
    report: str
    summary: str
    patch: str
    patch_sha256: str
    base_policy: str
    run_key: str
    n_runs: int
    work: Work
    links: Links


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
    """The part that every kind of sweep has, of one published at ``out``; the last three are names of files there."""
    return SweepResult(
        out=str(out),
        report=str(out / report),
        summary=str(out / summary),
        patch=str(out / patch),
        patch_sha256=sha256_file(out / patch),
        base_policy=str(live_tiers_path()),
        run_key=plan.run_key,
        n_runs=record.config.n_runs,
        work=record.volatile,
        links=links,
    )
