"""The spectral entry of a run report, from scores and selection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from invarlock.digests import digest_of
from invarlock.guards.degeneracy import norm_collapse_ratio, stable_rank_ratio
from invarlock.guards.drift import drift_of
from invarlock.guards.pairing import ModulePair
from invarlock.guards.spectral_metrics import (
    JudgedModule,
    MultipleTestingSelection,
    MultipleTestingUsed,
    SpectralMetrics,
)
from invarlock.guards.spectral_z import Scores, quantiles, summarize, top_scores
from invarlock.measure.records import Drift, EstimatorContract, ModuleStatistics


def metrics_of(
    scores: Scores,
    selection: MultipleTestingSelection,
    caps_applied: int,
    max_caps: int,
    drift: Mapping[str, Drift] | None,
    contract: EstimatorContract,
) -> SpectralMetrics:
    """Everything the verdict was made from. Raises MeasurementError when ``drift`` lacks a judged module."""
    by_family = {family: scores.of(family) for family in scores.statistics}
    return SpectralMetrics(
        final_z_scores=scores.z,
        family_stats=scores.statistics,
        modules=tuple(_judged(pair, scores.z[pair.name], drift) for pair in scores.pairs),
        family_z_summary={
            f: summarize(list(z.values()), kappa=scores.kappa[f]) for f, z in by_family.items()
        },
        family_z_quantiles={f: quantiles(list(z.values())) for f, z in by_family.items()},
        top_z_scores={f: top_scores(z) for f, z in by_family.items()},
        multiple_testing=MultipleTestingUsed(method=selection.method, alpha=selection.alpha, m=selection.m),
        multiple_testing_selection=selection,
        caps_applied=caps_applied,
        caps_exceeded=caps_applied > max_caps,
        max_caps=max_caps,
        modules_checked=len(scores.pairs),
        contract=contract,
        contract_digest=contract.digest16,
        weights_digest=_weights_digest([pair.subject for pair in scores.pairs]),
        baseline_weights_digest=_weights_digest([pair.baseline for pair in scores.pairs]),
    )


def diagnostics(scores: Scores, *, measured_drift: bool) -> Iterator[str]:
    """Plain sentences about what these z-scores cannot show."""
    for family, stats in scores.statistics.items():
        if stats.count < 3:
            yield (
                f"{family.value} has {stats.count} module(s): arithmetic holds an unchanged model's |z| "
                f"there to {(stats.count - 1) ** 0.5:g}, so its cap tests little"
            )
    if not measured_drift:
        yield "drift from the baseline was not measured: z is weak against growth that all modules share"


def _judged(pair: ModulePair, z: float, drift: Mapping[str, Drift] | None) -> JudgedModule:
    moved = drift_of(pair, drift) if drift is not None else None
    return JudgedModule(
        name=pair.name,
        family=pair.family,
        rule=pair.subject.rule,
        shape=pair.subject.shape,
        aliases=pair.subject.aliases,
        tensor_sha256=pair.subject.tensor_sha256,
        sigma_base=pair.baseline.sigma_max,
        sigma=pair.subject.sigma_max,
        z=z,
        stable_rank_ratio=stable_rank_ratio(pair),
        norm_collapse_ratio=norm_collapse_ratio(pair),
        log_sigma=moved.log_sigma if moved else None,
        relative_change=moved.relative_change if moved else None,
        edit_edge=moved.edit_edge if moved else None,
    )


def _weights_digest(modules: Sequence[ModuleStatistics]) -> str:
    return digest_of({module.name: module.tensor_sha256 for module in modules})
