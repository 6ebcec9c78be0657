"""What an RMT sweep's summary says (the public contract of design page 5)."""

from __future__ import annotations

from collections.abc import Mapping

from invarlock.families import Family
from invarlock.record import Record

REDRAW_SCOPE = (
    "Null: one model on two sets of windows. An evaluation compares two models on the same windows, where windows do "
    "not matter, so this bounds more than harmless edits need, and damage below it passes; --null benign bounds what "
    "an evaluation compares."
)
PAIRED_SCOPE = (
    "Null: harmless edits against their baseline on the same windows, as an evaluation compares them. It holds for "
    "harmless edits like these, on these baselines."
)


class FamilyDelta(Record):
    """delta = r_cur / r_base - 1 of one family over the runs.

    n: independent deltas of the baseline that has the fewest; n_skipped: distinct runs without one, as the baseline's
    risk is 0 or missing;
    quantile: seed 001's, of the deltas, largest among the baselines; smallest, largest: over all.
    varies: whether any delta is not exactly 0.
    """

    n: int
    n_skipped: int
    smallest: float
    quantile: float
    largest: float
    varies: bool


class FamilyBound(Record):
    """What epsilon rests on. n_needed: independent runs that support the quantile.

    supported: with 95 % confidence no more than 1 - quantile of fresh null runs are beyond ``value``; else it is the
    largest delta seen. rank: of the order statistic among the n, None where unsupported or baselines differ in it.
    """

    value: float
    supported: bool
    rank: int | None
    n: int
    n_needed: int


class RmtObserved(Record):
    """The runs as they were judged. Rates are shares in [0, 1] of the runs that carry the guard."""

    beyond_band_rate: float
    beyond_band_by_family_runs: Mapping[Family, int]
    family_delta: Mapping[Family, FamilyDelta]


class RmtRecommendations(Record):
    """What the patch changes; a family whose edge risk this null cannot move, or that no run has, is left out."""

    epsilon_by_family: Mapping[Family, float]


class RmtEvidence(Record):
    """How much the runs can show.

    n_effective: distinct (weights, window sets), of the baseline that has the fewest; n_unvaried: runs of the baseline
    on its own windows, which are in no delta. Families: unsupported by so few runs; unvaried, whose delta is 0 in every
    run; unmeasured, whose baseline risk is 0 or missing in every run.
    """

    n_effective: int
    n_unvaried: int
    n_needed: int
    confidence: float
    by_family: Mapping[Family, FamilyBound]
    supported: bool
    unsupported: tuple[Family, ...]
    unvaried: tuple[Family, ...]
    unmeasured: tuple[Family, ...]
    statement: str


class RmtSummary(Record):
    """The summary of one tier. n_runs: reports; n_missing: those without the guard, in no rate.

    paired: baseline and current model were measured on the same windows; quantile, safety_margin: as asked for.
    """

    tier: str
    n_runs: int
    n_missing: int
    paired: bool
    quantile: float
    safety_margin: float
    observed: RmtObserved
    recommendations: RmtRecommendations
    evidence: RmtEvidence

    @property
    def scope(self) -> str:
        """What the null was, and so what epsilon speaks of."""
        return PAIRED_SCOPE if self.paired else REDRAW_SCOPE
