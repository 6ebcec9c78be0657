"""The smallest tau_infer that meets a requirement, with a guarantee for finite samples (design page 7).

The exact rule. Let n censored samples be independent draws, a fault counting as one that is never accepted, and

    k = max {k : P(Binomial(n, alpha) <= k) <= delta}.

tau* is the value of the gate's dtype next above the (k + 1)-th largest censored |Q|, so at most k are accepted; and
no less than the smallest normal number there, since runtimes flush smaller ones to 0.
Were a tau with a true fp_cens above alpha chosen, so at most k of n draws would lie at or above the largest such
tau t, each of which does so with a probability above alpha: that happens with probability delta at most. As t is no
function of the data, this holds for every tau >= tau*, however it is chosen, ties or not.

On a grid the same test is walked from the largest tau down and stops at the first failure (fixed-sequence testing,
Bauer 1991, Statistics in Medicine 10(6), 871-890). Accepted counts only grow on the way down, so the walk ends at the
smallest tau of the grid that is >= tau*.

"The smallest tau whose observed fp_cens is <= alpha" would break its promise about every second time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from numpy.typing import ArrayLike

from invarlock.stats.exact import clean_runs_needed, most_events
from invarlock.tau.gate_dtype import Floats
from invarlock.tau.order_statistic import kth_largest
from invarlock.tau.recommendation_record import Constraint, Rule, Status, TauRecommendation
from invarlock.tau.requirement import Requirement
from invarlock.tau.sample_ids import ensure_one_row_an_id
from invarlock.tau.samples import IdSource, Samples
from invarlock.tau.sweep import checked_taus, count_taus
from invarlock.tau.tau_point import TauPoint, tau_point

_OF_ROWS = {
    IdSource.GIVEN: "",
    IdSource.CLAIMED: " That every row is a sample of its own is the operator's word: no ids were given.",
    IdSource.ROW_NUMBER: " This holds only if every row is a sample of its own: no ids were given, and nobody says so.",
}


def recommend_tau_infer(
    samples: Samples, requirement: Requirement, *, taus: ArrayLike | None = None
) -> TauRecommendation:
    """Recommend from a calibration split; see the top of this module.

    Parameters
    ----------
    samples: independent draws from what deployment will see, |Q| in the dtype of its gate.
    requirement: its ceilings on fn_in and bottom_rate are on what is observed. Both rates only grow with tau, so
        where the smallest tau that meets max_fp breaks them, every other does.
    taus: a grid to choose from; None for every value of the gate's dtype.

    Without ids the statement says whose word it is that rows are independent. Reads the samples a few times. Raises
    TauError as :func:`invarlock.tau.sweep.count_taus` does, and where censored rows share an id: rows of one sample are
    no independent draws.
    """
    ensure_one_row_an_id(samples)
    grid = None if taus is None else tuple(checked_taus(taus).tolist())
    n_cens = sum(int((~chunk.is_in_range).sum()) for chunk in samples.chunks())
    k = most_events(requirement.max_fp, n_cens, confidence=requirement.confidence)
    tau = None if k is None else _exact(samples, k) if grid is None else _walk(samples, k, grid)
    point = None if tau is None else tau_point(samples, tau, confidence=requirement.confidence)
    status, binding = _judge(requirement, k, point)
    needed = clean_runs_needed(requirement.max_fp, confidence=requirement.confidence)
    return TauRecommendation(
        status=status,
        tau_infer=point.tau if point is not None and status is Status.OK else None,
        binding=binding,
        requirement=requirement,
        rule=Rule.EXACT if grid is None else Rule.GRID,
        grid=grid,
        dtype=samples.dtype,
        n_cens=n_cens,
        n_needed=needed,
        k=k,
        calibration=point,
        statement=_statement(requirement, binding, n_cens, needed, k, point)
        + (_OF_ROWS[samples.id_source] if status is Status.OK else ""),
    )


def _exact(samples: Samples, k: int) -> float | None:
    """The next normal value above the (k + 1)-th largest censored |Q|; None where nothing finite is above it."""

    def censored() -> Iterator[Floats]:
        return (chunk.q_abs[~chunk.is_in_range] for chunk in samples.chunks())

    largest = kth_largest(censored, k + 1, samples.dtype)
    # Fewer values than that: all others are faults, and any tau at all accepts k or fewer.
    tau = max(samples.dtype.next_above(0.0 if largest is None else largest), samples.dtype.smallest_normal)
    return tau if math.isfinite(tau) else None


def _walk(samples: Samples, k: int, grid: tuple[float, ...]) -> float | None:
    """The last normal tau, from the largest down, before more than ``k`` are accepted; None where the largest fails."""
    censored = count_taus(samples, grid).censored
    passed = None
    for tau, bottom in sorted(zip(grid, censored.bottom, strict=True), reverse=True):
        if censored.n - bottom > k or samples.dtype.round(tau) < samples.dtype.smallest_normal:
            break
        passed = tau
    return passed


def _judge(
    requirement: Requirement, k: int | None, point: TauPoint | None
) -> tuple[Status, Constraint | None]:
    if k is None:
        return Status.INSUFFICIENT_DATA, Constraint.MAX_FP
    if point is None:
        return Status.INFEASIBLE, Constraint.MAX_FP
    if requirement.max_fn is not None:
        if point.fn_in is None:
            return Status.INSUFFICIENT_DATA, Constraint.MAX_FN
        if point.fn_in > requirement.max_fn:
            return Status.INFEASIBLE, Constraint.MAX_FN
    if requirement.max_bottom is not None and (point.bottom_rate or 0.0) > requirement.max_bottom:
        return Status.INFEASIBLE, Constraint.MAX_BOTTOM
    return Status.OK, None


def _statement(
    requirement: Requirement,
    binding: Constraint | None,
    n_cens: int,
    needed: int,
    k: int | None,
    point: TauPoint | None,
) -> str:
    alpha, confidence = requirement.max_fp, f"{100 * requirement.confidence:g} % confidence"
    if k is None:
        return (
            f"{n_cens} censored samples cannot show fp_cens <= {alpha:g} with {confidence}; "
            f"{needed} can, where none of them is accepted."
        )
    if point is None:
        return f"No normal tau to choose from leaves {k} or fewer of {n_cens} censored samples accepted."
    if binding is Constraint.MAX_FN and point.fn_in is None:
        return f"No sample is in range: nothing can show fn_in <= {requirement.max_fn:g}."
    if binding is Constraint.MAX_FN:
        return _out_of_reach(requirement, point, "fn_in", point.fn_in, requirement.max_fn)
    if binding is Constraint.MAX_BOTTOM:
        return _out_of_reach(requirement, point, "bottom_rate", point.bottom_rate, requirement.max_bottom)
    lifted = ", the smallest normal number" if point.tau == point.dtype.smallest_normal else ""
    return (
        f"At tau_infer {point.tau:.6g}{lifted} in {point.dtype}, {point.fp_cens_count} of {n_cens} censored samples "
        f"are accepted, {k} may be: with {confidence} no more than {alpha:g} of fresh ones will be."
    )


def _out_of_reach(
    requirement: Requirement, point: TauPoint, name: str, least: float | None, ceiling: float | None
) -> str:
    return (
        f"No tau to choose from that meets fp_cens <= {requirement.max_fp:g} has {name} below {least:.4g}, which it "
        f"is at {point.tau:.6g}, the smallest of them; {name} <= {ceiling:g} was asked."
    )
