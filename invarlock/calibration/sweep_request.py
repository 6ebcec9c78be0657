"""A sweep as an operator asks for it: what every kind of sweep takes. Light: the command line reads it for its help."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from invarlock.policy.schema import Tier
from invarlock.record import Record


class SweepRequest(Record):
    """Options and defaults of seed 000. ``models`` replaces the config's model and pools related baselines."""

    config: Path
    out: Path
    tiers: tuple[Tier, ...] = tuple(Tier)
    seeds: tuple[int, ...] = tuple(range(42, 52))
    profile: str = "ci"
    device: str | None = None
    safety_margin: float = Field(ge=0)
    models: tuple[str, ...] = ()
    jobs: int = Field(1, ge=1)
    fresh: bool = False
    allow_network: bool = False
    allow_pickle: bool = False

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if not self.tiers or not self.seeds:
            raise ValueError("at least one tier and one seed are needed")
        for name, values in (("tier", self.tiers), ("seed", self.seeds)):
            if twice := sorted({str(value) for value in values if values.count(value) > 1}):
                raise ValueError(f"{name} {', '.join(twice)} is named twice")
        if min(self.seeds) < 0:
            raise ValueError(f"seed {min(self.seeds)} is negative")
        return self
