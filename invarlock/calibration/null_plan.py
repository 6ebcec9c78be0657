"""What a null sweep will do, settled before any work: cells, schedules, policies and one key for it all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from invarlock.calibration.null_request import CapRule, NullKind, NullSweepRequest
from invarlock.calibration.null_settings import NullSettings
from invarlock.config import Dtype, SweepConfig
from invarlock.data.drawing import DrawnWindows
from invarlock.digests import digest_of
from invarlock.edits.benign_records import BenignEdit
from invarlock.errors import ConfigError
from invarlock.input_file import InputFile
from invarlock.measure.records import EstimatorContract, ModelIdentity
from invarlock.policy.resolution import ResolvedPolicy
from invarlock.policy.schema import Scope, Tier
from invarlock.provenance import CodeVersion, code_version
from invarlock.record import Record


class PlannedModel(Record):
    """A baseline that was opened and hashed. ``label`` is its folder name in the results.

    edits: seed to harmless edit; empty under the noop null.
    """

    label: str
    identity: ModelIdentity
    windows: DrawnWindows
    edits: Mapping[int, BenignEdit]


class Cell(Record):
    """One run of the sweep; ``model`` is the label of a planned one."""

    model: str
    tier: Tier
    seed: int


class Arithmetic(Record):
    """What decides a loss besides model and window. batch_size: windows a forward pass, null = by device."""

    dtype: Dtype
    device: str
    batch_size: int | None


class NullSweepPlan(Record):
    """Everything that the results depend on, and nothing else.

    Two sweeps with equal ``run_key`` have equal results.
    """

    inputs: tuple[InputFile, ...]
    config: SweepConfig
    profile: str
    arithmetic: Arithmetic
    null: NullKind
    cap_rule: CapRule
    safety_margin: float
    target_any_warning_rate: float
    tiers: tuple[Tier, ...]
    seeds: tuple[int, ...]
    models: tuple[PlannedModel, ...]
    policies: Mapping[Tier, ResolvedPolicy]
    contract: EstimatorContract
    code: CodeVersion

    @property
    def run_key(self) -> str:
        """Hex SHA-256 that names this sweep wherever it runs: folders of this machine are left out."""
        plan = self.model_dump(mode="json")
        for model in plan["models"]:
            del model["identity"]["root"]
        return digest_of(plan)

    @property
    def config_input(self) -> InputFile:
        """The config as it was read."""
        return self.inputs[0]

    @property
    def tiers_input(self) -> InputFile:
        """The tiers file as it was read: what the patch is made against."""
        return next(file for file in self.inputs if file.name == "runtime/tiers.yaml")

    def cells(self) -> Iterator[Cell]:
        """Model by model and seed by seed, so that each measurement serves every tier at once."""
        for model in self.models:
            for seed in self.seeds:
                for tier in self.tiers:
                    yield Cell(model=model.label, tier=tier, seed=seed)

    def model_of(self, cell: Cell) -> PlannedModel:
        """The planned model that ``cell`` names."""
        return next(model for model in self.models if model.label == cell.model)

    def cell_folder(self, cell: Cell) -> str:
        """Where a cell's report goes below the results: ``runs/<tier>/seed_<s>`` (seed 000)."""
        model = f"{cell.model}/" if len(self.models) > 1 else ""
        return f"runs/{cell.tier.value}/{model}seed_{cell.seed}"

    def windows_run_by_run(self) -> int:
        """How many window losses the sweep would take, were every cell run by itself."""
        schedules = [s for model in self.models for s in model.windows.schedules.values()]
        arms = 2 if self.null is NullKind.BENIGN else 1
        return arms * len(self.tiers) * sum(len(s.preview + s.final) for s in schedules)

    @property
    def widest_tier(self) -> Tier:
        """A tier whose spectral guard judges every family, or the first."""
        whole = (t for t in self.tiers if self.policies[t].policy.spectral.scope is Scope.ALL)
        return next(whole, self.tiers[0])


def settle(
    request: NullSweepRequest,
    settings: NullSettings,
    models: Sequence[PlannedModel],
    *,
    device: str,
    contract: EstimatorContract,
) -> NullSweepPlan:
    """The plan of a sweep whose models are open and whose windows are drawn. device: resolved, not ``auto``.

    ConfigError when two references are the same weights: pooling one model twice adds no observation.
    """
    digests = [model.identity.digest for model in models]
    if len(set(digests)) < len(digests):
        raise ConfigError(
            "two of the models have the same weights", where="--model", fix="name each baseline once"
        )
    return NullSweepPlan(
        inputs=settings.inputs,
        config=settings.config,
        profile=request.profile,
        arithmetic=Arithmetic(
            dtype=settings.dtype, device=device, batch_size=settings.config.eval.batch_size
        ),
        null=request.null,
        cap_rule=request.cap_rule,
        safety_margin=request.safety_margin,
        target_any_warning_rate=request.target_any_warning_rate,
        tiers=request.tiers,
        seeds=request.seeds,
        models=tuple(models),
        policies=settings.policies,
        contract=contract,
        code=code_version(),
    )


def label_of(reference: str, taken: Collection[str]) -> str:
    """A folder name for a model reference, unlike any in ``taken``."""
    base = (
        re.sub(r"[^A-Za-z0-9_.-]+", "-", re.split(r"[/:]", reference.rstrip("/"))[-1]).strip("-.") or "model"
    )
    label, count = base, 2
    while label in taken:
        label, count = f"{base}-{count}", count + 1
    return label
