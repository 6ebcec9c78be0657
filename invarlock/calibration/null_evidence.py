"""What a number of null runs can show about a warning rate, in numbers and in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from invarlock.calibration.null_records import DegenerateFamily, NullEvidence
from invarlock.calibration.null_reports import NullObservation
from invarlock.families import Family
from invarlock.stats.exact import clean_runs_needed, clopper_pearson

CONFIDENCE = 0.95
SMALL_FAMILY = 3  # modules; below it the null's |z| is fixed by arithmetic


def weigh_evidence(runs: Sequence[NullObservation], *, target: float) -> NullEvidence:
    """Evidence of the runs for the warning rate ``target``.

    z depends on weights alone, so runs on equal weights are one observation. Runs on different weights count
    as independent: under a benign null they are, since each baseline and seed has an edit drawn for itself,
    and the rate is that of a fresh edit of the pooled baselines; without edits that holds as far as the pooled
    checkpoints are independent of each other, which digests cannot show. Runs whose reports carry no
    digest count as one observation together: that they differ cannot be shown. Runs on the baseline's own
    weights count only when there are no others.
    """
    warned = _distinct(runs)
    n, n_warning = len(warned), sum(warned.values())
    low, high = clopper_pearson(n_warning, n, confidence=CONFIDENCE)
    needed = clean_runs_needed(target, confidence=CONFIDENCE) if 0 < target < 1 else None
    families = len({family for run in runs for family in run.max_z})
    exceeds = min(1.0, families / (n + 1))
    shown = needed is not None and n >= needed and n_warning == 0
    return NullEvidence(
        n_effective=n,
        n_unchanged=sum(run.unchanged for run in runs),
        n_warning=n_warning,
        confidence=CONFIDENCE,
        warning_rate_interval=(low, high),
        runs_needed=needed,
        fresh_run_exceeds=exceeds,
        target_shown=shown,
        degenerate_families=_degenerate(runs),
        statement=_statement(runs, n, n_warning, (low, high), target, needed, exceeds),
    )


def _distinct(runs: Sequence[NullObservation]) -> dict[str | None, bool]:
    """Weights to whether a run on them warned."""
    changed = [run for run in runs if not run.unchanged]
    warned: dict[str | None, bool] = {}
    for run in changed or runs:
        warned[run.weights] = warned.get(run.weights, False) or run.warns
    return warned


def _degenerate(runs: Sequence[NullObservation]) -> Mapping[Family, DegenerateFamily]:
    largest: dict[Family, int] = {}
    for run in runs:
        for family, count in run.modules.items():
            largest[family] = max(count, largest.get(family, 0))
    return {
        family: DegenerateFamily(modules=count, largest_possible_z=(count - 1) ** 0.5)
        for family, count in sorted(largest.items())
        if 0 < count < SMALL_FAMILY
    }


def _statement(
    runs: Sequence[NullObservation],
    n: int,
    n_warning: int,
    interval: tuple[float, float],
    target: float,
    needed: int | None,
    exceeds: float,
) -> str:
    repeated = (
        "" if n == len(runs) else " (z depends on weights alone: more seeds of a checkpoint add nothing)"
    )
    seen = (
        f"{len(runs)} runs on {n} distinct set{'' if n == 1 else 's'} of weights{repeated}, {n_warning} with a "
        f"warning: the true warning rate lies between {interval[0]:.1%} and {interval[1]:.1%} (95 % confidence)."
    )
    if needed is None:
        return f"{seen} No number of runs shows a rate of {target:.3g}."
    if n_warning == 0 and n >= needed:
        return f"{seen} That supports the target of {target:.3g}."
    chance = (
        ""
        if exceeds >= 1
        else f"; a fresh independent run exceeds one, margin apart, with a chance of up to {exceeds:.2g}"
    )
    return (
        f"{seen} To show a rate of {target:.3g} takes {needed} clean independent runs. Until then caps of "
        f"largest |z| plus a margin describe the runs seen, no more{chance}."
    )
