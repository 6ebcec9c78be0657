"""What a bundle says of itself: metadata.json."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from invarlock.digests import digest_of
from invarlock.record import Record
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig
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

    dtype: in which |Q| was compared there; requirement: what tau_infer was recommended for, None when it was chosen
    otherwise, such as a quantile; tau_infer: the one that was chosen, None when not said.
    """

    sweep_sha256: Sha256
    dtype: GateDtype
    requirement: Requirement | None
    split: str
    tau_infer: float | None = None


class BundleDescription(Record):
    """tau_infer, tau_train: as configured; the graph compares with them as ``dtype``, that of P and Q, rounds them.

    use_gap: whether any |Q| can lie in the gap. calibration: None when the exporter was told of none.
    """

    tau_infer: float
    tau_train: float | None
    use_gap: bool
    dtype: GateDtype
    gauge: Gauge
    calibration: Calibration | None

    @property
    def config(self) -> InferenceConfig:
        """The thresholds. TauError when no gate has such."""
        return InferenceConfig(self.tau_infer, self.tau_train)

    def digest(self) -> str:
        """SHA-256 of everything but the model's, which the model itself can therefore hold."""
        return digest_of(self.model_dump(mode="json", exclude={"model_sha256"}))


class BundleMetadata(BundleDescription):
    """A description, and the SHA-256 of the model file that it is of."""

    model_sha256: Sha256
