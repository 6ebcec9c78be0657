"""The table of an RMT sweep that a person reads first: epsilon now and recommended, family by family."""

from __future__ import annotations

from invarlock.calibration.change import Change, change_of
from invarlock.calibration.rmt_records import RmtSummary
from invarlock.families import Family
from invarlock.policy.keys import Relaxes
from invarlock.policy.rmt import RmtPolicy
from invarlock.record import Record


class EpsilonRow(Record):
    """One family of one tier. delta_*: of the null runs, r_cur / r_base - 1; n: independent ones.

    epsilon: what the patch recommends; it, its change and ``supported`` are None where the null does not move the
    family and it is left out. beyond_now: runs outside the band in force.
    """

    tier: str
    family: str
    n: int
    n_needed: int
    delta_quantile: float
    delta_largest: float
    epsilon_now: float
    epsilon: float | None
    change: Change | None
    supported: bool | None
    beyond_now: int


def epsilon_rows(summary: RmtSummary, policy: RmtPolicy) -> tuple[EpsilonRow, ...]:
    """Recommended and present epsilon of one tier, family by family."""
    rows = []
    for family in Family:
        if (delta := summary.observed.family_delta.get(family)) is None:
            continue
        now = policy.epsilon_by_family.get(family, policy.epsilon_default)
        new = summary.recommendations.epsilon_by_family.get(family)
        bound = summary.evidence.by_family.get(family)
        rows.append(
            EpsilonRow(
                tier=summary.tier,
                family=family.value,
                n=delta.n,
                n_needed=summary.evidence.n_needed,
                delta_quantile=delta.quantile,
                delta_largest=delta.largest,
                epsilon_now=now,
                epsilon=new,
                change=None if new is None else change_of(now, new, Relaxes.RAISED),
                supported=None if bound is None else bound.supported,
                beyond_now=summary.observed.beyond_band_by_family_runs.get(family, 0),
            )
        )
    return tuple(rows)
