"""What a null sweep's summary says (the public contract of design page 5)."""

from __future__ import annotations

from collections.abc import Mapping

from invarlock.families import Family
from invarlock.policy.schema import Correction
from invarlock.record import Record


class Observed(Record):
    """Counts and maxima over the runs. Rates are shares in [0, 1] of the runs that carry the guard."""

    any_warning_rate: float
    selected_by_family_runs: Mapping[Family, int]
    candidate_violations_by_family_total: Mapping[Family, int]
    family_max_z: Mapping[Family, float]


class MultipleTestingSetting(Record):
    """The correction as it goes into the patch."""

    method: Correction
    alpha: float
    m: int


class Recommendations(Record):
    """What the patch changes."""

    family_caps: Mapping[Family, float]
    multiple_testing: MultipleTestingSetting


class Fixed(Record):
    """Policy that calibration leaves alone; None where the reports do not say."""

    deadband: float | None
    scope: str | None
    max_caps: int | None
    max_spectral_norm: float | None


class FamilyCheck(Record):
    """Seed 001's cross-check of one family.

    modules: a run's, on average over the runs; share: of all modules; budget: floor(max_caps x share + 0.5)
    but at least 1 for a family that has modules, so budgets may sum to more than max_caps; None without
    max_caps; modeled_tail: 2 (1 - Phi(kappa)) of one module, were its z Gaussian; expected_candidates: that
    tail times the modules.
    """

    modules: float
    share: float
    budget: int | None
    modeled_tail: float
    expected_candidates: float


class DegenerateFamily(Record):
    """A family whose cap tests nothing: with n modules no unchanged model's |z| exceeds sqrt(n - 1)."""

    modules: int
    largest_possible_z: float


class NullEvidence(Record):
    """How much the runs can show.

    n_effective: distinct judged weights, the number of independent observations at most; n_unchanged: runs on
    the baseline's own weights; warning_rate_interval: Clopper-Pearson at ``confidence`` on n_effective;
    runs_needed: clean independent runs that would show the target rate, None for a target of 0;
    fresh_run_exceeds: distribution-free upper bound, without the margin, on the chance that a fresh
    independent run has a family above the largest |z| of n_effective runs, averaged over sweeps: families /
    (n_effective + 1).
    """

    n_effective: int
    n_unchanged: int
    n_warning: int
    confidence: float
    warning_rate_interval: tuple[float, float]
    runs_needed: int | None
    fresh_run_exceeds: float
    target_shown: bool
    degenerate_families: Mapping[Family, DegenerateFamily]
    statement: str


class NullSummary(Record):
    """The summary of one tier. n_runs: reports; n_missing: those without the guard, in no rate.

    alpha_target_met: whether the observed rate, or the rate replayed at the recommended alpha, is within the
    target; replayed_rate: share of runs in which the correction selects a family at the recommended alpha.
    """

    tier: str
    n_runs: int
    n_missing: int
    observed: Observed
    recommendations: Recommendations
    alpha_target_met: bool
    replayed_rate: float
    fixed: Fixed
    cross_check: Mapping[Family, FamilyCheck]
    evidence: NullEvidence
