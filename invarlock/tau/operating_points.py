"""Which candidate to ship, by preset, from what its seeds found (seed 004, design page 7)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple

from invarlock.record import Record
from invarlock.tau.errors import TauError
from invarlock.tau.operating_points_seeds import SeedResult
from invarlock.tau.operating_points_summary import (
    BOTTOM_COST,
    COVERAGE,
    MERGED_COST,
    SPLIT_COST,
    CandidateSummary,
    has_split_provenance,
    summarise,
)
from invarlock.tau.split import SplitRecipe

COVERAGE_FLOOR = 0.5  # answers at least half of what can be answered


class Preset(StrEnum):
    """What matters most at an operating point."""

    SAFETY_FIRST = "safety_first"
    ACCURACY_FIRST = "accuracy_first"
    DIRECTION_AWARE = "direction_aware"


class Prefer(NamedTuple):
    """One part of a preset's key: the metric, and which end of it is the better one."""

    metric: str
    best: Literal["low", "high"]


# The parts in order; what still ties is decided by name.
KEYS: Mapping[Preset, tuple[Prefer, ...]] = MappingProxyType(
    {
        Preset.SAFETY_FIRST: (
            Prefer("fp_cens", "low"),
            Prefer(BOTTOM_COST, "low"),
            Prefer("accept_rate", "high"),
            Prefer("fn_in", "low"),
        ),
        Preset.ACCURACY_FIRST: (
            Prefer("fn_in", "low"),
            Prefer(BOTTOM_COST, "low"),
            Prefer("macro_f1", "high"),
            Prefer("accept_rate", "high"),
        ),
        Preset.DIRECTION_AWARE: (
            Prefer("direction_f1", "high"),
            Prefer("fp_cens", "low"),
            Prefer(BOTTOM_COST, "low"),
            Prefer("macro_f1", "high"),
        ),
    }
)


class OperatingPoint(Record):
    """The choice of one preset. candidate: null when none qualifies, then ``reason`` says why.

    warning: what is wrong with the choice whatever its key says, null for nothing.
    """

    preset: Preset
    candidate: str | None
    reason: str | None
    warning: str | None


class ObservedTau(Record):
    """Thresholds that a candidate was judged at in one seed."""

    seed: int
    candidate: str
    tau_infer: float | None
    tau_train: float | None


class SeedSplit(Record):
    """The calibration/evaluation split of one seed."""

    seed: int
    recipe: SplitRecipe


class OperatingPoints(Record):
    """The content of dose_operating_points.json.

    bottom_cost: the formula of C, in keys and candidates alike; coverage_floor: what safety_first demands; keys: by
    preset, ``-`` before a metric that is better high; splits: of seeds that have a recipe.
    """

    schema_version: Literal["dose-operating-points/1"] = "dose-operating-points/1"
    seeds: tuple[int, ...]
    bottom_cost: str
    coverage_floor: float
    keys: Mapping[Preset, tuple[str, ...]]
    operating_points: Mapping[Preset, OperatingPoint]
    candidates: tuple[CandidateSummary, ...]
    observed_taus: tuple[ObservedTau, ...]
    splits: tuple[SeedSplit, ...]

    def chosen(self, preset: Preset) -> CandidateSummary | None:
        """The candidate of ``preset``, None when it has none."""
        name = self.operating_points[preset].candidate
        return next((candidate for candidate in self.candidates if candidate.name == name), None)


def choose_operating_points(
    results: Sequence[SeedResult], *, coverage_floor: float = COVERAGE_FLOOR
) -> OperatingPoints:
    """Choose a candidate for each preset. results: at least one, of distinct seeds, all with the same candidates.

    coverage_floor: the least share of in-range samples that a candidate for safety_first must accept, in (0, 1]: a
    gate that sends everything to the bottom accepts nothing falsely. TauError for any other value.
    """
    if not 0 < coverage_floor <= 1:
        raise TauError(
            f"the coverage floor is {coverage_floor:g}",
            where="coverage_floor",
            fix="give a share above 0 and up to 1; at 0 a gate that answers nothing is the safest",
        )
    candidates = summarise(results)
    points = {preset: _choose(preset, candidates, coverage_floor) for preset in Preset}
    return OperatingPoints(
        seeds=tuple(result.seed for result in results),
        bottom_cost=SPLIT_COST if has_split_provenance(results) else MERGED_COST,
        coverage_floor=coverage_floor,
        keys={preset: tuple(map(_key_text, KEYS[preset])) for preset in Preset},
        operating_points=points,
        candidates=candidates,
        observed_taus=tuple(
            ObservedTau(
                seed=result.seed, candidate=one.name, tau_infer=one.tau_infer, tau_train=one.tau_train
            )
            for result in results
            for one in sorted(result.candidates, key=lambda candidate: candidate.name)
        ),
        splits=tuple(SeedSplit(seed=r.seed, recipe=r.split) for r in results if r.split is not None),
    )


def ranked(preset: Preset, candidates: Sequence[CandidateSummary]) -> list[CandidateSummary]:
    """Best first by the preset's key; 0.0 is as good as a metric gets where low is better, a missing one is worst."""

    def key(candidate: CandidateSummary) -> tuple[tuple[float, ...], str]:
        return tuple(_cost(candidate.mean(part.metric), part.best) for part in KEYS[preset]), candidate.name

    return sorted(candidates, key=key)


def qualifies(preset: Preset, candidate: CandidateSummary, coverage_floor: float) -> bool:
    """Whether the preset may choose the candidate: only safety_first has a floor."""
    coverage = candidate.mean(COVERAGE)
    return preset is not Preset.SAFETY_FIRST or (coverage is not None and coverage >= coverage_floor)


def _choose(preset: Preset, candidates: Sequence[CandidateSummary], coverage_floor: float) -> OperatingPoint:
    able = [one for one in ranked(preset, candidates) if qualifies(preset, one, coverage_floor)]
    leading = KEYS[preset][0].metric
    floor = "" if len(able) == len(candidates) else f" has a known coverage of {coverage_floor:g} or more"
    if not able:
        reason = f"no candidate{floor}"
    elif able[0].mean(leading) is None:
        reason = f"no candidate{floor and f'{floor} and'} has {leading} in every seed"
    else:
        return OperatingPoint(preset=preset, candidate=able[0].name, reason=None, warning=able[0].warning)
    return OperatingPoint(preset=preset, candidate=None, reason=reason, warning=None)


def _cost(value: float | None, best: Literal["low", "high"]) -> float:
    if value is None:
        return math.inf
    return value if best == "low" else -value


def _key_text(part: Prefer) -> str:
    return part.metric if part.best == "low" else f"-{part.metric}"
