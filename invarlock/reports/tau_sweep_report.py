"""``tau_sweep_report.json``: what a tau sweep recommends, with all that an auditor needs to find it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from invarlock.calibration.tau_plan import TauOptions
from invarlock.calibration.tau_records import Swept
from invarlock.policy.tau import TauRecord
from invarlock.provenance import CodeVersion
from invarlock.record import Record
from invarlock.reports.sweep_report import CalibrationReport
from invarlock.tau.calibrate import TauCalibration
from invarlock.tau.recommendation_record import Status
from invarlock.tau.tau_train import TauTrainRecommendation


class TauProvenance(Record):
    """Hex SHA-256 of everything that went in. samples: by role (q_abs, labels, ids), of the file's bytes."""

    run_key: str
    samples: Mapping[str, str]
    tiers_sha256: str
    code: CodeVersion


class TauSweepReport(CalibrationReport):
    """The record behind ``tau_sweep_report.json``.

    sweep_sha256: of ``tau_infer_sweep.json`` beside it, which has the curves, of the samples that ``swept`` names.
    calibration, tau_train: see :class:`invarlock.calibration.tau_records.TauFindings`.
    """

    schema_version: Literal["tau-sweep-report/1"] = "tau-sweep-report/1"
    kind: Literal["tau_sweep"] = "tau_sweep"
    config: TauOptions
    swept: Swept
    sweep_sha256: str
    calibration: TauCalibration | None
    tau_train: TauTrainRecommendation | None
    provenance: TauProvenance

    @property
    def record(self) -> TauRecord | None:
        """What the policy would keep of it; None where no tau_infer is recommended."""
        if self.calibration is None or self.calibration.recommendation.status is not Status.OK:
            return None
        found = self.calibration.recommendation
        tau_train = self.tau_train.tau_train if self.tau_train else None
        return TauRecord(tau_infer=found.tau_infer, tau_train=tau_train, gate_dtype=found.dtype)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reviewer should think about."""
        found = self.calibration
        of_tau_infer = (*found.split.warnings, *found.warnings) if found else ()
        return (*of_tau_infer, *(self.tau_train.warnings if self.tau_train else ()))
