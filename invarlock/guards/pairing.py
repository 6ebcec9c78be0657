"""Baseline and subject, module by module: the same modules, or an error that names the one that differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from invarlock.errors import MeasurementError, ModelError, PolicyError
from invarlock.families import Family
from invarlock.measure.records import ModuleStatistics, WeightMeasurement
from invarlock.policy.schema import Scope


@dataclass(frozen=True)
class ModulePair:
    """The same module measured in the baseline and in the subject."""

    baseline: ModuleStatistics
    subject: ModuleStatistics

    @property
    def name(self) -> str:
        """Module path."""
        return self.subject.name

    @property
    def family(self) -> Family:
        """Policy family, the same on both sides."""
        return self.subject.family


def pair_modules(
    baseline: WeightMeasurement, subject: WeightMeasurement, *, scope: Scope
) -> tuple[ModulePair, ...]:
    """Modules of ``scope`` (``all`` or a family) in the baseline's order.

    Raises MeasurementError when the two were measured under different estimator contracts, ModelError when a
    module is missing on one side, has another shape or another family, PolicyError when no module is in
    scope.
    """
    if baseline.contract != subject.contract:
        raise MeasurementError(
            f"sigma_max was estimated under two contracts: {baseline.contract.digest16} for the baseline, "
            f"{subject.contract.digest16} for the subject",
            fix="measure both with the same estimator",
        )
    theirs = {module.name: module for module in subject.modules}
    _check_names(baseline.modules, subject.modules)
    pairs = tuple(ModulePair(baseline=module, subject=theirs[module.name]) for module in baseline.modules)
    for pair in pairs:
        _check_alike(pair)
    scoped = tuple(pair for pair in pairs if scope.covers(pair.family))
    if not scoped:
        families = ", ".join(sorted({pair.family.value for pair in pairs})) or "none"
        raise PolicyError(
            f"scope {scope.value} matches none of the model's {len(pairs)} modules",
            where="spectral_guard.scope",
            fix=f"use all or a family that the model has ({families})",
        )
    return scoped


def _check_names(baseline: Sequence[ModuleStatistics], subject: Sequence[ModuleStatistics]) -> None:
    ours, theirs = {m.name for m in baseline}, {m.name for m in subject}
    for missing, side in ((ours - theirs, "subject"), (theirs - ours, "baseline")):
        if missing:
            name = min(missing)
            raise ModelError(
                f"the {side} has no module {name} ({len(missing)} missing)",
                where=name,
                fix="compare a model with an edit of itself",
            )


def _check_alike(pair: ModulePair) -> None:
    for what, ours, theirs in (
        ("shape", pair.baseline.shape, pair.subject.shape),
        ("family", pair.baseline.family.value, pair.subject.family.value),
    ):
        if ours != theirs:
            raise ModelError(
                f"{what} is {ours} in the baseline and {theirs} in the subject",
                where=pair.name,
                fix="compare a model with an edit of itself",
            )
