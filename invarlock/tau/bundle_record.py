"""What a bundle says of itself: metadata.json."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from invarlock.record import Record
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.requirement import Requirement

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Gauge(Record):
    """In what units |Q| is: a tau says something of one head, one normalisation and one magnitude only.

    head: the model that gives P and Q; normalisation: of inputs and of (P, Q), None when not said;
    magnitude_convention: what is compared with tau.
    """

    head: str
    normalisation: str | None = None
    magnitude_convention: str = "abs(Q)"


class Calibration(Record):
    """Where tau_infer comes from: SHA-256 of the sweep's JSON file, and the split it was made on.

    requirement: what tau_infer was recommended for, None when it was chosen otherwise, such as a quantile.
    """

    sweep_sha256: Sha256
    requirement: Requirement | None
    split: str


class BundleMetadata(Record):
    """tau_infer, tau_train: as configured; the graph compares with them as ``dtype``, that of P and Q, rounds them.

    use_gap: whether any |Q| can lie in the gap. calibration: None when the exporter was told of none.
    """

    tau_infer: float
    tau_train: float | None
    use_gap: bool
    dtype: GateDtype
    gauge: Gauge
    model_sha256: Sha256
    calibration: Calibration | None
