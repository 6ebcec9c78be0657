"""What a null sweep will do, settled before any work: cells, schedules, policies and one key for it all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import Field, model_validator

from invarlock.config import SweepConfig
from invarlock.data.drawing import DrawnWindows
from invarlock.digests import digest_of
from invarlock.measure.records import EstimatorContract, ModelIdentity
from invarlock.policy.resolution import ResolvedPolicy
from invarlock.policy.schema import Tier
from invarlock.record import Record


class NullKind(StrEnum):
    """What stands for 'nothing happened'."""

    NOOP = "noop"  # the model itself: seed 000's null
    BENIGN = "benign"  # a harmless edit that differs by seed


class CapRule(StrEnum):
    """Where caps come from."""

    MARGIN = "margin"  # kappa = max |z| (1 + margin): the seed's rule
    TOLERANCE = "tolerance"  # that, and drift caps as tolerance limits of the benign population


class NullSweepRequest(Record):
    """A null sweep as an operator asks for it; defaults are seed 000's.

    Rates are shares in [0, 1]. ``models`` replaces the config's model and pools related baselines.
    """

    config: Path = Path("configs/calibration/null_sweep_ci.yaml")
    out: Path = Path("reports/calibration/null_sweep")
    tiers: tuple[Tier, ...] = tuple(Tier)
    seeds: tuple[int, ...] = tuple(range(42, 52))
    profile: str = "ci"
    device: str | None = None
    safety_margin: float = Field(0.05, ge=0)
    target_any_warning_rate: float = Field(0.01, ge=0, le=1)
    null: NullKind = NullKind.NOOP
    cap_rule: CapRule = CapRule.MARGIN
    models: tuple[str, ...] = ()
    jobs: int = Field(1, ge=1)
    fresh: bool = False
    allow_network: bool = False
    allow_pickle: bool = False

    @model_validator(mode="after")
    def _coherent(self) -> NullSweepRequest:
        if not self.tiers or not self.seeds:
            raise ValueError("at least one tier and one seed are needed")
        if len(set(self.seeds)) != len(self.seeds) or len(set(self.tiers)) != len(self.tiers):
            raise ValueError("a tier or seed is named twice")
        if min(self.seeds) < 0:
            raise ValueError(f"seed {min(self.seeds)} is negative")
        if self.cap_rule is CapRule.TOLERANCE and self.null is not NullKind.BENIGN:
            raise ValueError("--cap-rule tolerance needs --null benign: a no-op has no drift to bound")
        return self


class PlannedModel(Record):
    """A baseline that was opened and hashed. ``label`` is its folder name in the results."""

    label: str
    identity: ModelIdentity
    windows: DrawnWindows


class Cell(Record):
    """One run of the sweep."""

    model: PlannedModel
    tier: Tier
    seed: int


class NullSweepPlan(Record):
    """Everything that the results depend on, and nothing else.

    Two sweeps with equal ``run_key`` have equal results.
    """

    config: SweepConfig
    config_sha256: str
    profile: str
    bootstrap_replicates: int | None
    device: str
    null: NullKind
    cap_rule: CapRule
    safety_margin: float
    target_any_warning_rate: float
    tiers: tuple[Tier, ...]
    seeds: tuple[int, ...]
    models: tuple[PlannedModel, ...]
    policies: Mapping[Tier, ResolvedPolicy]
    tiers_sha256: str
    contract: EstimatorContract
    code_sha256: str

    @property
    def run_key(self) -> str:
        """Hex SHA-256 that names this sweep wherever it runs: paths of this machine are left out."""
        plan = self.model_dump(mode="json")
        for model in plan["models"]:
            model["identity"] = model["identity"]["digest"]
        return digest_of(plan)

    def cells(self) -> Iterator[Cell]:
        """Model by model and seed by seed, so that each measurement serves every tier at once."""
        for model in self.models:
            for seed in self.seeds:
                for tier in self.tiers:
                    yield Cell(model=model, tier=tier, seed=seed)

    def cell_folder(self, cell: Cell) -> str:
        """Where a cell's report goes below the results: ``runs/<tier>/seed_<s>`` (seed 000)."""
        model = f"{cell.model.label}/" if len(self.models) > 1 else ""
        return f"runs/{cell.tier.value}/{model}seed_{cell.seed}"

    def distinct_windows(self) -> int:
        """How many (model variant, window) losses the sweep needs; a benign null edits per seed."""
        total = sum(model.windows.distinct() for model in self.models)
        if self.null is NullKind.BENIGN:
            schedules = (s for model in self.models for s in model.windows.schedules.values())
            total += sum(len(schedule.preview + schedule.final) for schedule in schedules)
        return total

    def distinct_tensors(self) -> int:
        """How many matrices of baselines the sweep needs; what a benign edit changes comes on top."""
        return sum(model.identity.matrices for model in self.models)


def label_of(reference: str, taken: Collection[str]) -> str:
    """A folder name for a model reference, unlike any in ``taken``."""
    base = re.sub(r"[^A-Za-z0-9_.-]+", "-", reference.rstrip("/").rsplit("/", 1)[-1]).strip("-.") or "model"
    label, count = base, 2
    while label in taken:
        label, count = f"{base}-{count}", count + 1
    return label
