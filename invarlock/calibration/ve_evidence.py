"""What a number of VE runs can show about the enable rate of fresh ones, in numbers and in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from invarlock.calibration.min_effect import count_passing, most_passing, passes
from invarlock.calibration.ve_records import MinEffectRule, VeEvidence, VeRecommendation
from invarlock.calibration.ve_reports import VeObservation
from invarlock.stats.exact import clean_runs_needed, clopper_pearson, quantile_upper_bound

CONFIDENCE = 0.95

Draws = Sequence[Sequence[VeObservation]]


def weigh_ve_evidence(
    runs: Sequence[VeObservation], chosen: VeRecommendation | None, *, target: float, one_sided: bool
) -> VeEvidence:
    """Evidence of the runs for an enable rate of at most ``target`` at the recommended value.

    A draw's window counts are prefixes of one another, so its runs are one observation: what counts as
    independent is a draw of windows on an edited model. The target is shown when the recommended value lies above
    the distribution-free upper confidence bound of the (1 - target) quantile of a draw's largest gain. chosen: None
    where the rule gives no value.
    """
    draws = distinct_draws(runs)
    largest = [max(run.gain(one_sided=one_sided) for run in draw) for draw in draws]
    passing = None if chosen is None else count_passing(largest, chosen.min_effect_lognll)
    evaluated = any(run.delta_ci is not None for run in runs)
    by_rate = chosen is not None and chosen.rule is MinEffectRule.TARGET_RATE
    exceeds = fresh_run_exceeds([len(draw) for draw in draws], target) if by_rate else None
    needed = clean_runs_needed(target, confidence=CONFIDENCE) if 0 < target < 1 else None
    shown = False
    if chosen is not None and evaluated and needed is not None and len(draws) >= needed:
        bound = quantile_upper_bound(largest, 1 - target, confidence=CONFIDENCE).value
        shown = bound is not None and not passes(bound, chosen.min_effect_lognll)
    return VeEvidence(
        n_effective=len(draws),
        n_passing=passing,
        confidence=CONFIDENCE,
        draw_interval=None
        if passing is None
        else clopper_pearson(passing, len(draws), confidence=CONFIDENCE),
        fresh_run_exceeds=exceeds,
        runs_needed=needed,
        target_shown=shown,
        statement=" ".join(
            [
                _seen(runs, len(draws), chosen, one_sided),
                _outlook(exceeds, target) if chosen is not None and evaluated else _unmeasured(chosen),
                _needed(needed, shown, target),
            ]
        ),
    )


def distinct_draws(runs: Sequence[VeObservation]) -> Draws:
    """Runs by draw: one joins the runs on the same edited model whose windows contain all of its own.

    Runs whose reports name no windows join another draw: that they differ from it cannot be shown.
    """
    draws: list[list[VeObservation]] = []
    for run in sorted(runs, key=lambda run: len(run.window_ids), reverse=True):
        home = (d for d in draws if d[0].edited == run.edited and run.window_ids <= d[0].window_ids)
        draw = next(home, None)
        if draw is None:
            draws.append([run])
        else:
            draw.append(run)
    return draws


def fresh_run_exceeds(sizes: Sequence[int], target: float) -> float:
    """Upper bound on the mean chance that a fresh run passes a threshold above all but k of the sweep's gains.

    Of n + 1 exchangeable draws with w runs each, let each in turn be the fresh one. A run of it that is above all
    but k of the other draws' runs has at most k runs of other draws above it; of such runs, those of the draw
    that has the smallest are at most w, and the others are all above that one, so at most k: k + w of (n + 1) w.
    For w = 1 that is the order statistic's (k + 1) / (n + 1). sizes: runs of each draw; where they differ, the most
    above and the fewest below.
    """
    allowed = most_passing(sum(sizes), target)
    return min(1.0, (allowed + max(sizes)) / (min(sizes) * (len(sizes) + 1)))


def _seen(runs: Sequence[VeObservation], n: int, chosen: VeRecommendation | None, one_sided: bool) -> str:
    gains = [run.gain(one_sided=one_sided) for run in runs]
    seen = (
        f"{len(runs)} runs on {n} distinct draw{'' if n == 1 else 's'} of windows, {count_passing(gains, 0.0)} with "
        "a gain that its interval vouches for"
    )
    if chosen is None:
        return f"{seen}."
    value = chosen.min_effect_lognll
    return (
        f"{seen}; at {value:g} nats per token {count_passing(gains, value)} pass "
        f"({chosen.expected_enable_rate:.1%})."
    )


def _unmeasured(chosen: VeRecommendation | None) -> str:
    if chosen is None:
        return "No run has a confidence interval and its deviation: there is no half-width, and no value."
    return "No run has a confidence interval: the value rests on nothing measured."


def _outlook(exceeds: float | None, target: float) -> str:
    if exceeds is None:
        return "The value comes from the spread between windows, not from the gains seen."
    if exceeds <= target:
        return (
            f"On average over sweeps a fresh run passes such a value with a chance of at most {exceeds:.1%}."
        )
    return (
        f"The value was chosen on these runs, so a fresh one may pass more often: with a chance of up to "
        f"{exceeds:.1%}, on average over sweeps."
    )


def _needed(needed: int | None, shown: bool, target: float) -> str:
    if needed is None:
        return (
            f"No number of runs shows a rate of {target:.3g}."
            if target == 0
            else "Any rate meets the target."
        )
    if shown:
        return f"That supports a rate of at most {target:.3g} (95 % confidence)."
    return f"To show a rate of at most {target:.3g} with 95 % confidence takes {needed} draws of which none passes."
