"""The spectral guard: is each module's sigma_max where its baseline's family says it should be?

Pure: two weight measurements and a policy in, a report out (design page 2, seeds 001 and 002).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from invarlock.families import Family
from invarlock.guards.degeneracy import degeneracy_violations
from invarlock.guards.drift import drift_violations
from invarlock.guards.pairing import ModulePair, pair_modules
from invarlock.guards.report import CapViolation, GuardReport, LimitViolation, Severity, Verdict, verdict_of
from invarlock.guards.spectral_entry import diagnostics, metrics_of
from invarlock.guards.spectral_metrics import MultipleTestingSelection
from invarlock.guards.spectral_z import Scores, by_family, score_modules
from invarlock.measure.records import Drift, WeightMeasurement
from invarlock.policy.schema import MultipleTesting, SpectralPolicy
from invarlock.stats.multiple_testing import select
from invarlock.stats.tails import two_sided_p


def judge_spectral(
    baseline: WeightMeasurement,
    subject: WeightMeasurement,
    policy: SpectralPolicy,
    drift: Mapping[str, Drift] | None = None,
) -> GuardReport:
    """Judge the subject's weights against its baseline's.

    Family statistics come from the baseline's modules. A module is a candidate when |z| > kappa of its family
    (strict); a family's p-value is the smallest 2 (1 - Phi(|z|)) of its candidates; BH or Bonferroni picks
    families with m_eff = max(m, families with candidates); the candidates of picked families are the
    warnings. Their number is caps_applied, and caps_exceeded = caps_applied > max_caps.

    Verdict: block on caps_exceeded or a fatal finding (max_spectral_norm, degeneracy, drift caps when the
    tier sets them); monitor on warnings within the budget; else allow.

    Parameters
    ----------
    drift: by module name, of the subject against this baseline; recorded, and needed when the policy caps it.

    Raises ModelError when the modules do not pair, PolicyError when the scope matches none or a family has no
    cap, MeasurementError when the contracts differ or a capped drift is missing.
    """
    scores = score_modules(pair_modules(baseline, subject, scope=policy.scope), policy)
    selection = _select(scores, policy.multiple_testing)
    warnings = tuple(_warnings(scores, selection.families_selected))
    violations = (*warnings, *_limit_violations(scores.pairs, drift, policy))
    exceeded = len(warnings) > policy.max_caps
    verdict = verdict_of(violations, budget_exceeded=exceeded)
    return GuardReport(
        name="spectral",
        verdict=verdict,
        passed=verdict is not Verdict.BLOCK,
        policy=policy.model_dump(mode="json"),
        metrics=metrics_of(scores, selection, len(warnings), policy.max_caps, drift, subject.contract),
        violations=violations,
        diagnostics=tuple(diagnostics(scores, measured_drift=drift is not None)),
    )


def _select(scores: Scores, testing: MultipleTesting) -> MultipleTestingSelection:
    magnitudes = {
        family: [abs(scores.z[pair.name]) for pair in group]
        for family, group in by_family(scores.candidates).items()
    }
    largest = {family: max(values) for family, values in magnitudes.items()}
    p_values = {family: two_sided_p(value) for family, value in largest.items()}
    selected = select(p_values, method=testing.method, alpha=testing.alpha, m=testing.m)
    return MultipleTestingSelection(
        method=testing.method,
        alpha=testing.alpha,
        m=testing.m,
        families_tested=tuple(sorted(p_values)),
        families_selected=tuple(sorted(selected)),
        family_pvalues=p_values,
        family_max_abs_z=largest,
        family_violation_counts={family: len(values) for family, values in magnitudes.items()},
    )


def _warnings(scores: Scores, selected: Collection[Family]) -> Iterator[CapViolation]:
    for pair in scores.candidates:
        if pair.family not in selected:
            continue
        z, kappa = scores.z[pair.name], scores.kappa[pair.family]
        yield CapViolation(
            type="family_z_cap",
            severity=Severity.BUDGETED,
            message=f"{pair.name}: |z| {abs(z):.4g} is above the {pair.family.value} cap {kappa:g}",
            module=pair.name,
            family=pair.family,
            z_score=z,
            kappa=kappa,
        )


def _limit_violations(
    pairs: Sequence[ModulePair], drift: Mapping[str, Drift] | None, policy: SpectralPolicy
) -> Iterator[LimitViolation]:
    limit = policy.max_spectral_norm
    for pair in pairs:
        sigma = pair.subject.sigma_max
        if limit is not None and sigma > limit:
            yield LimitViolation(
                type="max_spectral_norm",
                severity=Severity.FATAL,
                message=f"{pair.name}: sigma_max {sigma:.6g} is above {limit:g}",
                module=pair.name,
                family=pair.family,
                value=sigma,
                limit=limit,
            )
        yield from degeneracy_violations(pair)
    if policy.drift_caps is not None:
        yield from drift_violations(pairs, drift, policy.drift_caps)
