"""What a sweep will do, settled before any work: models, schedules, policies and one key for it all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, Self, TypeVar

from invarlock.calibration.sweep_request import SweepRequest
from invarlock.calibration.sweep_settings import SweepSettings
from invarlock.config import Dtype, SweepConfig
from invarlock.data.drawing import DrawnWindows
from invarlock.data.schedule import Schedule
from invarlock.digests import digest_of
from invarlock.errors import ConfigError
from invarlock.input_file import InputFile
from invarlock.measure.records import EstimatorContract, ModelIdentity
from invarlock.policy.resolution import ResolvedPolicy
from invarlock.policy.schema import Tier
from invarlock.provenance import CodeVersion, code_version
from invarlock.record import Record


class PlannedModel(Record):
    """A baseline that was opened and hashed. ``label`` is its folder name in the results."""

    label: str
    identity: ModelIdentity
    windows: DrawnWindows


M = TypeVar("M", bound=PlannedModel)


class Cell(Record):
    """One run of a sweep. model: label of a planned one; folder: where its report goes below the results."""

    model: str
    tier: Tier
    seed: int
    folder: str


class Arithmetic(Record):
    """What decides a loss besides model and window. batch_size: windows a forward pass, null = by device."""

    dtype: Dtype
    device: str
    batch_size: int | None


class SweepPlan(Record, Generic[M]):
    """Everything that the results of a kind of sweep depend on, and nothing else.

    Two sweeps with equal ``run_key`` have equal results.
    """

    kind: str
    inputs: tuple[InputFile, ...]
    config: SweepConfig
    profile: str
    arithmetic: Arithmetic
    safety_margin: float
    tiers: tuple[Tier, ...]
    seeds: tuple[int, ...]
    models: tuple[M, ...]
    policies: Mapping[Tier, ResolvedPolicy]
    contract: EstimatorContract
    code: CodeVersion

    @classmethod
    def settle(
        cls,
        request: SweepRequest,
        settings: SweepSettings,
        models: Sequence[M],
        *,
        device: str,
        contract: EstimatorContract,
        **own: object,
    ) -> Self:
        """The plan of a sweep whose models are open and whose windows are drawn.

        device: resolved, not ``auto``; own: the fields of this kind of sweep. ConfigError when two references are the
        same weights: pooling one model twice adds no observation.
        """
        digests = [model.identity.digest for model in models]
        if len(set(digests)) < len(digests):
            raise ConfigError(
                "two of the models have the same weights", where="--model", fix="name each baseline once"
            )
        common = {
            "inputs": settings.inputs,
            "config": settings.config,
            "profile": request.profile,
            "arithmetic": Arithmetic(
                dtype=settings.dtype, device=device, batch_size=settings.config.eval.batch_size
            ),
            "safety_margin": request.safety_margin,
            "tiers": request.tiers,
            "seeds": request.seeds,
            "models": tuple(models),
            "policies": settings.policies,
            "contract": contract,
            "code": code_version(),
        }
        return cls.model_validate({**common, **own})

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

    def cells_of(self, model: str, seed: int) -> Sequence[Cell]:
        """The cells that one seed's measurements of the model of that label serve.

        One a tier, at ``runs/<tier>/seed_<s>`` (seed 000), unless a kind of sweep has more.
        """
        middle = self.model_folder(model)
        return tuple(
            Cell(model=model, tier=tier, seed=seed, folder=f"runs/{tier.value}/{middle}seed_{seed}")
            for tier in self.tiers
        )

    def cells(self) -> Iterator[Cell]:
        """Model by model and seed by seed, so that each measurement serves every tier at once."""
        for model in self.models:
            for seed in self.seeds:
                yield from self.cells_of(model.label, seed)

    def model_of(self, label: str) -> M:
        """The planned model of that label."""
        return next(model for model in self.models if model.label == label)

    def schedule_of(self, cell: Cell) -> Schedule:
        """The windows that ``cell`` looks at."""
        return self.model_of(cell.model).windows.schedules[cell.seed]

    def model_folder(self, label: str) -> str:
        """The part of a result's path that tells models apart: nothing where there is one."""
        return f"{label}/" if len(self.models) > 1 else ""


def labelled(references: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Each model reference with a folder name for it, unlike any other's.

    >>> labelled(["bundled:pydocs-gpt2", "/models/pydocs-gpt2/"])
    (('bundled:pydocs-gpt2', 'pydocs-gpt2'), ('/models/pydocs-gpt2/', 'pydocs-gpt2-2'))
    """
    labels: dict[str, str] = {}
    for reference in references:
        last = re.split(r"[/:]", reference.rstrip("/"))[-1]
        base = re.sub(r"[^A-Za-z0-9_.-]+", "-", last).strip("-.") or "model"
        label, count = base, 2
        while label in labels:
            label, count = f"{base}-{count}", count + 1
        labels[label] = reference
    return tuple((reference, label) for label, reference in labels.items())
