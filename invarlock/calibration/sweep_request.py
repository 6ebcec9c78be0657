"""A calibration as an operator asks for it: what every kind takes. Light: the command line reads it for its help."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from invarlock.calibration.runner import Runner
from invarlock.policy.schema import Tier
from invarlock.record import Record


class CalibrationRequest(Record):
    """Options and defaults of seed 000. ``models`` replaces the config's model and pools related baselines."""

    config: Path
    out: Path
    tiers: tuple[Tier, ...] = tuple(Tier)
    seeds: tuple[int, ...] = tuple(range(42, 52))
    profile: str = "ci"
    device: str | None = None
    models: tuple[str, ...] = ()
    jobs: int = Field(1, ge=1)
    runner: Runner = Runner.LOCAL
    dask_address: str | None = None
    fresh: bool = False
    allow_network: bool = False
    allow_pickle: bool = False

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if not self.tiers or not self.seeds:
            raise ValueError("at least one tier and one seed are needed")
        for name, values in (("tier", self.tiers), ("seed", self.seeds)):
            if twice := sorted({str(value) for value in values if values.count(value) > 1}):
                raise ValueError(f"{name} {', '.join(twice)} is named twice")
        if min(self.seeds) < 0:
            raise ValueError(f"seed {min(self.seeds)} is negative")
        if self.dask_address and self.runner is not Runner.DASK:
            raise ValueError("an address of a Dask cluster needs the runner dask")
        return self


class SweepRequest(CalibrationRequest):
    """A single sweep. safety_margin: share that is added to what it recommends."""

    safety_margin: float = Field(ge=0)
