"""What a new threshold does to its gate."""

from __future__ import annotations

from enum import StrEnum

from invarlock.policy.keys import Relaxes


class Change(StrEnum):
    """From the value in force to a new one: is the gate easier or harder to pass?"""

    LOOSENS = "loosens"
    TIGHTENS = "tightens"
    KEEPS = "keeps"


def change_of(now: float, new: float, relaxes: Relaxes) -> Change:
    """From ``now`` to ``new``. relaxes: the way in which a change of this value loosens, raised or lowered."""
    if new == now:
        return Change.KEEPS
    return Change.LOOSENS if (new > now) is (relaxes is Relaxes.RAISED) else Change.TIGHTENS
