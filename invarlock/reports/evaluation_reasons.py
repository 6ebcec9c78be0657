"""Why an evaluation came out as it did: plain sentences with the numbers, the gravest first."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from invarlock.evaluation.evaluation_plan import Assurance
from invarlock.gates.primary_metric import AccuracyFlag, Finding, RatioFlag
from invarlock.gates.spike import SpikeCheck
from invarlock.gates.support import GateStatus
from invarlock.gates.tail import TailFlag
from invarlock.guards.report import GuardOutcome, Severity, Violation
from invarlock.guards.rmt_metrics import RmtStatus
from invarlock.measure.arm_records import Part
from invarlock.policy.metrics import TailMode
from invarlock.reports.evaluation_run import EvaluationRun
from invarlock.reports.evaluation_sections import RmtSection, SpectralSection, UnjudgedSection
from invarlock.reports.guard_sections import GuardSections
from invarlock.reports.loss_comparison import LossComparison
from invarlock.reports.number_text import apart, counted, number

_SHOWN = 3  # findings of one guard; the report has them all
_PARTS = {Part.WEIGHTS: "weights", Part.LOSSES: "losses", Part.EDGES: "edge risk of activations"}


def evaluation_reasons(
    baseline: EvaluationRun, subject: EvaluationRun, losses: LossComparison, guards: GuardSections
) -> Iterator[str]:
    """What could not be measured, a spike, gates that do not hold, then what has too little evidence."""
    for run in (baseline, subject):
        yield from _failures(run)
    if losses.spike is not None and losses.spike.spiked:
        yield _spike(losses.spike)
    if losses.gate is not None and not losses.gate.acceptable:
        yield _metric(losses.gate)
    if losses.tail is not None and not losses.tail.acceptable:
        yield _tail(losses.tail)
    yield from _drift(losses)
    yield from _guards(guards, {failure.part for run in (baseline, subject) for failure in run.failures})
    yield from _underpowered(losses, strict=subject.terms.assurance is Assurance.STRICT)


def _failures(run: EvaluationRun) -> Iterator[str]:
    for failure in run.failures:
        where = "" if failure.where is None else f" ({failure.where})"
        yield f"The {_PARTS[failure.part]} of the {run.role.value} could not be measured: {failure.what}{where}."


def _spike(spike: SpikeCheck) -> str:
    return (
        f"The loss rose by {number(spike.mean_delta)} nats per token; from {number(math.log(spike.ratio_limit))}, a "
        f"perplexity ratio of {number(spike.ratio_limit)}, a run is aborted."
    )


def _metric(gate: RatioFlag | AccuracyFlag) -> str:
    if isinstance(gate, AccuracyFlag):
        delta, limit = apart(gate.delta_pp, gate.limit)
        return f"The accuracy changed by {delta} percentage points; at least {limit} is allowed."
    ratio, upper = gate.ratio_vs_baseline, gate.display_ci[1]
    if gate.finding is Finding.RATIO_ABOVE_LIMIT:
        value, limit = apart(ratio, gate.limit)
        return f"The perplexity is {value} times the baseline's; at most {limit} is allowed."
    value, limit = apart(upper, gate.limit)
    return (
        f"The perplexity is {number(ratio)} times the baseline's, but its interval reaches {value}; at most "
        f"{limit} is allowed."
    )


def _tail(tail: TailFlag) -> str:
    return f"The worst windows: {'; '.join(violation.message for violation in tail.violations)}."


def _drift(losses: LossComparison) -> Iterator[str]:
    drift = losses.drift
    if drift is None or drift.acceptable:
        return
    if drift.relative_drift is None:
        yield "A model predicts no token right on preview or final windows: whether it drifts cannot be judged."
    else:
        yield (
            f"From preview to final windows the subject's metric changes {number(drift.relative_drift)} times as much "
            f"as the baseline's; {number(drift.lowest)} to {number(drift.highest)} is allowed."
        )


def _guards(guards: GuardSections, unmeasured: Collection[Part]) -> Iterator[str]:
    """unmeasured: parts of which a reason was given already; a guard that wants one for lack of it has no other."""
    if not guards.invariants.passed:
        yield f"Invariants are broken: {_findings(guards.invariants)}."
    spectral = guards.spectral
    if isinstance(spectral, SpectralSection) and spectral.caps_exceeded:
        yield (
            f"Weights: {counted(spectral.caps_applied, 'matrix', 'matrices')} stand beyond the caps of their families; "
            f"the budget is {spectral.max_caps}."
        )
    if isinstance(spectral, SpectralSection) and _fatal(spectral):
        yield f"Weights: {_findings(spectral)}."
    if isinstance(spectral, UnjudgedSection) and Part.WEIGHTS not in unmeasured:
        yield f"Weights cannot be judged: {spectral.reason}."
    yield from _activations(guards.rmt, unmeasured)


def _activations(rmt: RmtSection | UnjudgedSection, unmeasured: Collection[Part]) -> Iterator[str]:
    if isinstance(rmt, UnjudgedSection) or rmt.status is RmtStatus.UNMEASURED:
        if not {Part.WEIGHTS, Part.EDGES}.intersection(unmeasured):
            yield f"Activations cannot be judged: {_findings(rmt)}."
    elif rmt.epsilon_violations:
        beyond = [(family.value, rmt.families[family]) for family in rmt.epsilon_violations]
        told = (f"{name} {' > '.join(apart(edge.edge_cur, edge.allowed))}" for name, edge in beyond)
        yield (
            f"RMT: activations stand out from noise more than the baseline's band allows in "
            f"{counted(len(beyond), 'family', 'families')}: {', '.join(told)}."
        )


def _fatal(guard: GuardOutcome) -> Sequence[Violation]:
    return [violation for violation in guard.violations if violation.severity is Severity.FATAL]


def _findings(guard: GuardOutcome) -> str:
    found = _fatal(guard)
    told = "; ".join(violation.message for violation in found[:_SHOWN])
    return f"{told}; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else told


def _underpowered(losses: LossComparison, *, strict: bool) -> Iterator[str]:
    follows = "strict assurance does not accept that" if strict else "on so little it decides nothing"
    stats, gate, tail = losses.windows, losses.gate, losses.tail
    if stats is not None and stats.underpowered:
        counts = f"{stats.preview_windows} preview and {stats.final_windows} final windows were evaluated"
        weak = "strict assurance does not accept that" if strict else "every verdict on losses is weak"
        yield f"{counts}, and the tier asks for {stats.floor} of each: {weak}."
    if gate is not None and gate.status is GateStatus.UNDERPOWERED:
        unit = "final windows" if isinstance(gate, AccuracyFlag) else "predicted tokens"
        seen, floor = number(gate.evidence.seen), number(gate.evidence.floor)
        yield f"The primary metric rests on {seen} {unit}, fewer than {floor}: {follows}."
    if tail is not None and tail_underpowered(tail):
        windows = counted(tail.stats.windows, "final window")
        yield f"The tail rests on {windows}, fewer than {tail.policy.min_windows}: {follows}."


def tail_underpowered(tail: TailFlag) -> bool:
    """Whether a tail that the policy would enforce has too few windows; one that is recorded needs no evidence."""
    return tail.status is GateStatus.UNDERPOWERED and tail.policy.mode is TailMode.FAIL
