"""What the spectral guard reports: enough to recompute every z-score and its verdict from the report
alone."""

from __future__ import annotations

from collections.abc import Mapping

from invarlock.families import Family
from invarlock.measure.records import EstimatorContract
from invarlock.policy.schema import Correction
from invarlock.record import Record


class FamilyStatistics(Record):
    """Mean and population standard deviation of sigma_max over the **baseline's** modules of one family."""

    mean: float
    std: float
    count: int


class JudgedModule(Record):
    """One module of the subject beside its baseline.

    tensor_sha256: of the subject's matrix; sigma_base, sigma: largest singular values; z: standard score in
    the baseline's family; the ratios compare subject to baseline (see ``invarlock.guards.degeneracy``); the
    last three are the drift (see :class:`invarlock.measure.records.Drift`), None where it was not measured.
    """

    name: str
    family: Family
    rule: str
    shape: tuple[int, int]
    aliases: tuple[str, ...]
    tensor_sha256: str
    sigma_base: float
    sigma: float
    z: float
    stable_rank_ratio: float
    norm_collapse_ratio: float
    log_sigma: float | None
    relative_change: float | None
    edit_edge: float | None


class FamilyZSummary(Record):
    """Signed z-scores of one family: largest, mean, count, how many have |z| > kappa, and kappa itself."""

    max: float
    mean: float
    count: int
    violations: int
    kappa: float


class FamilyZQuantiles(Record):
    """Quantiles (linear) and maximum of |z| in one family."""

    q95: float
    q99: float
    max: float
    count: int


class TopZ(Record):
    """A module far from its family's mean."""

    module: str
    z: float


class MultipleTestingUsed(Record):
    """The correction the policy asks for."""

    method: Correction
    alpha: float
    m: int


class MultipleTestingSelection(MultipleTestingUsed):
    """What the correction did. A family is tested when it has a candidate, a module with |z| > kappa."""

    families_tested: tuple[Family, ...]
    families_selected: tuple[Family, ...]
    family_pvalues: Mapping[Family, float]
    family_max_abs_z: Mapping[Family, float]
    family_violation_counts: Mapping[Family, int]


class SpectralMetrics(Record):
    """Metrics of the ``spectral`` entry.

    weights_digest, baseline_weights_digest: SHA-256 over the judged modules' names and tensor hashes; two
    runs with equal weights_digest are one observation, whatever their seeds.
    """

    final_z_scores: Mapping[str, float]
    family_stats: Mapping[Family, FamilyStatistics]
    modules: tuple[JudgedModule, ...]
    family_z_summary: Mapping[Family, FamilyZSummary]
    family_z_quantiles: Mapping[Family, FamilyZQuantiles]
    top_z_scores: Mapping[Family, tuple[TopZ, ...]]
    multiple_testing: MultipleTestingUsed
    multiple_testing_selection: MultipleTestingSelection
    caps_applied: int
    caps_exceeded: bool
    max_caps: int
    modules_checked: int
    contract: EstimatorContract
    contract_digest: str
    weights_digest: str
    baseline_weights_digest: str
