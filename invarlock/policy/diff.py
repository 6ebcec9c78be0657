"""What changes between two tiers files, key by key, and whether it loosens or tightens a gate."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path

from pydantic import JsonValue

from invarlock.policy.built_in import BUILT_IN
from invarlock.policy.catalog import entry_of
from invarlock.policy.keys import Kind
from invarlock.policy.schema import Tier, TierPolicy
from invarlock.policy.tiers_file import TiersFile, apply_patch, file_key, load_tiers
from invarlock.policy.tree import flatten, merge
from invarlock.record import Record

PATCH_PREFIX = "tiers_patch"  # the sweeps' artifact names are a public contract


class Direction(StrEnum):
    """What a change does to the gate."""

    LOOSENING = "loosening"
    TIGHTENING = "tightening"
    NEUTRAL = "neutral"


class Change(Record):
    """One key of one tier. ``path`` is spelled as in tiers.yaml; null is a value that is not set.

    relative: (new - old) / |old| where both are numbers, old is not 0 and the share is a finite number.
    """

    tier: Tier
    path: str
    old: JsonValue
    new: JsonValue
    kind: Kind
    direction: Direction
    relative: float | None


def is_patch(path: Path) -> bool:
    """Whether a file holds only the keys to change, going by the name that sweeps give it."""
    return path.name.startswith(PATCH_PREFIX)


def diff_files(old: Path, new: Path) -> tuple[Change, ...]:
    """What ``new`` would change in ``old``; a patch is laid over ``old`` first."""
    base, other = load_tiers(old), load_tiers(new)
    return diff_tiers(base, apply_patch(base, other) if is_patch(new) else other)


def diff_tiers(old: TiersFile, new: TiersFile) -> tuple[Change, ...]:
    """Changes of the values in force, so a key left out is its built-in value."""
    return tuple(
        change for tier in Tier for change in _diff_tier(tier, _in_force(old, tier), _in_force(new, tier))
    )


def _in_force(tiers: TiersFile, tier: Tier) -> dict[str, JsonValue]:
    if tier not in tiers.tiers():
        return {}
    values = merge(BUILT_IN[tier].model_dump(mode="json"), tiers.entry(tier).layer())
    leaves = flatten(TierPolicy.model_validate(values).model_dump(mode="json"))
    return {path: value for path, value in leaves.items() if value != {}}  # no family is given: no limit


def _diff_tier(tier: Tier, old: dict[str, JsonValue], new: dict[str, JsonValue]) -> list[Change]:
    paths = [path for path in {**old, **new} if old.get(path) != new.get(path)]
    return [_change(tier, path, old.get(path), new.get(path)) for path in paths]


def _change(tier: Tier, path: str, old: JsonValue, new: JsonValue) -> Change:
    key = entry_of(path).key
    before, after = key.looseness(old), key.looseness(new)
    if before is None or after is None or before == after:
        direction = Direction.NEUTRAL
    else:
        direction = Direction.LOOSENING if after > before else Direction.TIGHTENING
    return Change(
        tier=tier,
        path=f"{tier.value}.{file_key(path)}",
        old=old,
        new=new,
        kind=key.kind,
        direction=direction,
        relative=_relative(old, new),
    )


def _relative(old: JsonValue, new: JsonValue) -> float | None:
    if isinstance(old, bool) or isinstance(new, bool):
        return None
    if not isinstance(old, int | float) or not isinstance(new, int | float) or old == 0:
        return None
    share = (new - old) / abs(old)
    return share if math.isfinite(share) else None
