"""What a tau sweep asks of its samples, and what it finds."""

from __future__ import annotations

from enum import StrEnum

from invarlock.record import Record
from invarlock.tau.calibrate import TauCalibration
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.requirement import Requirement
from invarlock.tau.sweep_record import TauSweep
from invarlock.tau.tau_train import TauTrainRecommendation


class SampleColumn(Record):
    """A column of a file. sha256: hex, of the file's bytes."""

    sha256: str
    column: str


class TauQuestion(Record):
    """Everything that the findings depend on besides the code; no path, no name.

    rows_are_samples: the operator's claim that every row is a sample of its own; taus: none for a table of its own.
    """

    q_abs: SampleColumn
    labels: SampleColumn
    ids: SampleColumn | None
    rows_are_samples: bool
    gate_dtype: GateDtype | None
    taus: tuple[float, ...]
    requirement: Requirement | None
    tau_train_multiple: float | None
    target_gap_rate: float | None
    seed: int
    calibration_share: float


class Swept(StrEnum):
    """The samples that the curves are of: all, or those that calibrate where something is recommended."""

    ALL = "all"
    CALIBRATION = "calibration"


class TauFindings(Record):
    """calibration: None where no requirement was given; tau_train: None where none was asked for, or no tau_infer is
    recommended."""

    swept: Swept
    sweep: TauSweep
    calibration: TauCalibration | None
    tau_train: TauTrainRecommendation | None
