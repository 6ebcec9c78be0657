"""Which families' p-values survive a correction for having looked at several families."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

K = TypeVar("K")
BH, BONFERRONI = "bh", "bonferroni"


def select(p_values: Mapping[K, float], *, method: str, alpha: float, m: int) -> frozenset[K]:
    """The keys whose hypothesis is rejected at level ``alpha``.

    The number of hypotheses is ``m_eff = max(m, len(p_values))``: families that had nothing to test count as
    tested with p = 1, so a policy written for ``m`` families never gets easier by leaving some out.
    Bonferroni selects p <= alpha / m_eff. Benjamini-Hochberg selects the k smallest, k the largest rank with
    p_(k) <= k alpha / m_eff. Ties at the threshold are selected.

    Raises ValueError on a p-value or alpha outside [0, 1], m < 1 or an unknown method.

    References: Benjamini and Hochberg (1995), J. R. Statist. Soc. B 57(1), 289-300.

    >>> sorted(select({"ffn": 0.001, "attn": 0.024, "embed": 0.9}, method="bh", alpha=0.05, m=4))
    ['attn', 'ffn']
    """
    _check(p_values, method, alpha, m)
    m_eff = max(m, len(p_values))
    if method == BONFERRONI:
        return frozenset(key for key, p in p_values.items() if p <= alpha / m_eff)
    ordered = sorted(p_values.values())
    passing = [p for rank, p in enumerate(ordered, start=1) if p <= rank * alpha / m_eff]
    if not passing:
        return frozenset()
    return frozenset(key for key, p in p_values.items() if p <= passing[-1])


def _check(p_values: Mapping[K, float], method: str, alpha: float, m: int) -> None:
    if method not in (BH, BONFERRONI):
        raise ValueError(f"{method!r} is no correction: use {BH} or {BONFERRONI}")
    if m < 1:
        raise ValueError(f"m = {m}: at least one family is tested")
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"alpha = {alpha} is not a level in [0, 1]")
    for key, p in p_values.items():
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"{key}: {p} is not a p-value in [0, 1]")
