"""tau_train, the upper end of the gap that is watched, and the robotics pattern of seed 004.

Shares are of all samples, faults included. A threshold that is itself a |Q| that was seen has exactly the smaller ones
below it, so ties never push a share over what was asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from invarlock.record import Record
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import Floats, GateDtype
from invarlock.tau.order_statistic import kth_largest
from invarlock.tau.samples import Samples
from invarlock.tau.sweep import count_taus
from invarlock.tau.sweep_record import sweep_of

MOST = 0.5


class TauTrainRecommendation(Record):
    """gap_rate: share of the samples with tau_infer <= |Q| < tau_train; bottom_rate: share on the bottom; n: of all.
    warnings: what a reviewer should think about."""

    tau_infer: float
    tau_train: float
    dtype: GateDtype
    n: int
    gap_count: int
    gap_rate: float
    bottom_count: int
    bottom_rate: float
    warnings: tuple[str, ...]


def tau_train_by_multiple(samples: Samples, tau_infer: float, multiple: float) -> TauTrainRecommendation:
    """tau_train = ``multiple`` x tau_infer, and what it would watch.

    TauError unless 1 <= multiple < infinity, and where the product overflows in the dtype of |Q|.
    """
    if not 1 <= multiple < math.inf:
        raise TauError(f"multiple {multiple} is not a number >= 1", where="multiple", fix="such as 10")
    tau_train = multiple * tau_infer
    if math.isinf(float(samples.dtype.round(tau_train))):
        raise TauError(
            f"{multiple:g} times tau_infer {tau_infer:g} overflows in {samples.dtype}",
            where="multiple",
            fix="a smaller one (--tau-train-multiple)",
        )
    return _counted(samples, tau_infer, tau_train)


def tau_train_by_gap_rate(samples: Samples, tau_infer: float, gap_rate: float) -> TauTrainRecommendation:
    """The largest tau_train, of the |Q| seen, that leaves at most ``gap_rate`` of all samples in the gap.

    Just above all |Q| where even that is few enough; tau_infer, so no gap, where the ties at tau_infer are too
    many. TauError unless 0 < gap_rate < 1.
    """
    _check_share("gap_rate", gap_rate)
    at = sweep_of(count_taus(samples, [tau_infer]))
    accepted = at.n - at.bottom_count[0]
    rank = accepted - math.floor(gap_rate * at.n)
    largest = _largest(samples, max(rank, 1)) or 0.0
    above = samples.dtype.next_above(largest) if rank < 1 else largest
    return _counted(samples, tau_infer, max(tau_infer, above if math.isfinite(above) else largest))


def tau_infer_by_quantile(samples: Samples, quantile: float) -> float:
    """The largest |Q| seen that has at most ``quantile`` of the finite ones below it: the robotics pattern's rule.

    It promises nothing about false acceptance, as :mod:`invarlock.tau.recommend` does. TauError unless
    0 < quantile < 1, and where there is no finite |Q| or that one is 0.
    """
    _check_share("quantile", quantile)
    n = sum(int((chunk.q_abs < math.inf).sum()) for chunk in samples.chunks())
    tau = _largest(samples, n - math.floor(quantile * n)) if n else None
    if not tau:
        what = "no |Q| is finite" if tau is None else f"the {quantile:g} quantile of |Q| is 0"
        raise TauError(what, where="quantile", fix="look at the faults and zeros of the split")
    return tau


def _largest(samples: Samples, rank: int) -> float | None:
    def values() -> Iterator[Floats]:
        return (chunk.q_abs for chunk in samples.chunks())

    return kth_largest(values, rank, samples.dtype)


def _counted(samples: Samples, tau_infer: float, tau_train: float) -> TauTrainRecommendation:
    sweep = sweep_of(count_taus(samples, [tau_infer, tau_train]))
    bottom, watched = sweep.bottom_count
    return TauTrainRecommendation(
        tau_infer=sweep.taus_compared[0],
        tau_train=sweep.taus_compared[1],
        dtype=sweep.dtype,
        n=sweep.n,
        gap_count=watched - bottom,
        gap_rate=(watched - bottom) / sweep.n,
        bottom_count=bottom,
        bottom_rate=bottom / sweep.n,
        warnings=_warnings(bottom / sweep.n, watched / sweep.n),
    )


def _warnings(bottom: float, watched: float) -> tuple[str, ...]:
    if watched <= MOST:
        return ()
    return (f"bottom and gap are {watched:.1%} of the samples, {bottom:.1%} bottom: most of the traffic",)


def _check_share(name: str, share: float) -> None:
    if not 0 < share < 1:
        raise TauError(f"{name} {share} is not inside (0, 1)", where=name, fix="a share, such as 0.05")
