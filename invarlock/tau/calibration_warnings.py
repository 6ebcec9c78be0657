"""What a recommendation does not say of itself: what its evaluation shows or cannot show, and how it could be bent."""

from __future__ import annotations

from collections.abc import Iterator

from invarlock.tau.recommendation_record import TauRecommendation
from invarlock.tau.tau_point import TauPoint


def calibration_warnings(found: TauRecommendation, evaluation: TauPoint | None, seed: int) -> tuple[str, ...]:
    """For a reviewer to think about, in sentences' parts.

    evaluation: the frozen tau on the samples that had no say in it, None where none was recommended; seed: the split's.
    """
    points = [point for point in (found.calibration, evaluation) if point is not None]
    return (*_of_seed(seed), *_of_nothing(points), *(_of_evaluation(found, evaluation) if evaluation else ()))


def _of_seed(seed: int) -> Iterator[str]:
    if seed:
        yield (
            f"the split has seed {seed}, not 0: the promise is of a seed that was fixed before any result was seen, "
            "and to choose among seeds breaks it"
        )


def _of_nothing(points: list[TauPoint]) -> Iterator[str]:
    if points and all(point.n_fault == point.n for point in points):
        yield "every |Q| is a fault: nothing would be answered, at any tau"
    elif points and all(point.bottom_count == point.n for point in points):
        yield "every sample is on the bottom: nothing would be answered"


def _of_evaluation(found: TauRecommendation, point: TauPoint) -> Iterator[str]:
    asked = found.requirement
    if not point.n_cens:
        yield "the evaluation split has no censored sample, so fp_cens was not looked at there"
    if not point.n_in and asked.max_fn is not None:
        yield "the evaluation split has no sample in range, so fn_in was not looked at there"
    for name, rate, ceiling in (
        ("fp_cens", point.fp_cens, asked.max_fp),
        ("fn_in", point.fn_in, asked.max_fn),
        ("bottom_rate", point.bottom_rate, asked.max_bottom),
    ):
        if rate is not None and ceiling is not None and rate > ceiling:
            yield f"on the evaluation split {name} is {rate:.4g}, and {ceiling:g} at most was asked"
