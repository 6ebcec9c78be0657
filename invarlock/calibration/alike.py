"""Runs that are summarized together must be alike: one tier, one policy, one baseline unless pooled on purpose."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from invarlock.errors import DataError


def check_tier(named: Iterable[str | None], tier: str) -> None:
    """DataError when a report names another tier; None stands for a report that names none."""
    others = {name for name in named if name is not None} - {tier}
    if others:
        raise DataError(
            f"reports of tier {min(others)} among those of {tier}", fix="summarize each tier by itself"
        )


def check_same(what: str, values: Iterable[object]) -> None:
    """DataError when ``values`` of the setting ``what`` differ between runs."""
    distinct = set(values)
    if len(distinct) > 1:
        listed = "; ".join(sorted(map(str, distinct)))
        raise DataError(f"reports mix {what}: {listed}", fix="summarize runs of one policy")


def check_baselines(digests: Iterable[str | None], pool: Collection[str] | None) -> None:
    """DataError when runs have several baselines and no ``pool`` names them, or one that is not in it."""
    baselines = {digest for digest in digests if digest is not None}
    if pool is None and len(baselines) > 1:
        listed = ", ".join(digest[:16] for digest in sorted(baselines))
        raise DataError(
            f"reports of {len(baselines)} baselines ({listed})",
            fix="name the baselines that are pooled on purpose",
        )
    strangers = baselines - set(pool) if pool is not None else set()
    if strangers:
        raise DataError(
            f"a report's baseline {min(strangers)[:16]} is not in the pool", fix="add it or drop it"
        )
