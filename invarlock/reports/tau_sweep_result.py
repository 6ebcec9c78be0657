"""What a tau sweep hands back to its caller: where everything is, and the numbers that a person reads first."""

from __future__ import annotations

from pathlib import Path

from invarlock.calibration.tau_records import TauFindings
from invarlock.digests import sha256_file
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.record import Record
from invarlock.reports.sweep_result import CalibrationResult, Links, SweepResult
from invarlock.reports.tau_sweep_files import PATCH, REPORT, SUMMARY
from invarlock.reports.tau_sweep_report import TauSweepReport
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.recommendation_record import Constraint, Status
from invarlock.tau.sweep_record import Interval, TauSweep
from invarlock.tau.tau_point import TauPoint


class TauRow(Record):
    """One tau of the sweep; a rate is None where no sample has one."""

    tau: float
    fn_in: float | None
    fp_cens: float | None
    fp_cens_interval: Interval | None
    bottom_rate: float | None


class TauSweepResult(CalibrationResult):
    """A finished tau sweep.

    status, statement: None where no requirement was given; binding: the part of it that stands in the way; tau_infer,
    tau_train, gate_dtype, patch: None where there is none; splits: what the smallest tau that meets max_fp does to the
    samples that calibrate; the frozen one, to the others.
    """

    head: str
    tiers: tuple[str, ...]
    status: Status | None
    statement: str | None
    binding: Constraint | None
    tau_infer: float | None
    tau_train: float | None
    gate_dtype: GateDtype | None
    splits: dict[str, TauPoint]
    rows: tuple[TauRow, ...]
    n_fault: int
    reasons: dict[str, str]
    warnings: tuple[str, ...]
    sweep_sha256: str
    patch: str | None
    patch_sha256: str | None
    base_policy: str

    @property
    def refused(self) -> bool:
        """Whether a tau was asked for, and none can be recommended."""
        return self.status not in (None, Status.OK)

    @property
    def with_patch(self) -> SweepResult | None:
        """As of a sweep that leaves a patch; None where this one leaves none."""
        if self.patch is None:
            return None
        return SweepResult.model_validate({name: getattr(self, name) for name in SweepResult.model_fields})


def tau_sweep_result(out: Path, report: TauSweepReport, found: TauFindings, links: Links) -> TauSweepResult:
    """The result of a sweep published at ``out``."""
    calibration, record = report.calibration, report.record
    points = (
        {"calibration": calibration.recommendation.calibration, "evaluation": calibration.evaluation}
        if calibration
        else {}
    )
    return TauSweepResult(
        out=str(out),
        report=str(out / REPORT),
        summary=str(out / SUMMARY),
        run_key=report.provenance.run_key,
        n_runs=1,
        work=report.volatile,
        links=links,
        head=report.config.head,
        tiers=tuple(tier.value for tier in report.config.tiers),
        status=calibration.recommendation.status if calibration else None,
        statement=calibration.recommendation.statement if calibration else None,
        binding=calibration.recommendation.binding if calibration else None,
        tau_infer=record.tau_infer if record else None,
        tau_train=record.tau_train if record else None,
        gate_dtype=record.gate_dtype if record else None,
        splits={name: point for name, point in points.items() if point is not None},
        rows=_rows(found.sweep),
        n_fault=found.sweep.n_fault,
        reasons=dict(found.sweep.reasons),
        warnings=report.warnings,
        sweep_sha256=report.sweep_sha256,
        patch=str(out / PATCH) if record else None,
        patch_sha256=sha256_file(out / PATCH) if record else None,
        base_policy=str(live_tiers_path()),
    )


def _rows(sweep: TauSweep) -> tuple[TauRow, ...]:
    columns = zip(
        sweep.taus, sweep.fn_in, sweep.fp_cens, sweep.fp_cens_interval, sweep.bottom_rate, strict=True
    )
    return tuple(
        TauRow(tau=tau, fn_in=fn_in, fp_cens=fp_cens, fp_cens_interval=interval, bottom_rate=bottom)
        for tau, fn_in, fp_cens, interval, bottom in columns
    )
