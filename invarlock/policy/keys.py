"""What every policy key has: a checked value, words for what it does, and a direction that relaxes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import JsonValue, Strict

from invarlock.record import Record

# Strict: `true` is not a number and "5" is not a count; an int is a fine float.
Real = Annotated[float, Strict()]
Count = Annotated[int, Strict()]
Switch = Annotated[bool, Strict()]


class Section(Record):
    """A mapping of policy keys. A key that is not given has the balanced tier's built-in value."""

    evidence: ClassVar[tuple[str, ...]] = ()  # where reports show what the section did

    def given(self) -> dict[str, JsonValue]:
        """Only the keys that were given, as JSON: what a layer of policy says."""
        return self.model_dump(mode="json", exclude_unset=True)


class Kind(StrEnum):
    """Where a key's value comes from: measured runs, or a choice that somebody made."""

    CALIBRATED = "calibrated"
    POLICY = "policy"


class Relaxes(StrEnum):
    """The change of a value that makes its gate easier to pass."""

    RAISED = "when raised"
    LOWERED = "when lowered"
    NEVER = "neither way"


@dataclass(frozen=True)
class Key:
    """How to read a change of one key. Sits in the key's annotation, so that the schema is the catalog.

    sweep: the command that recommends the value, for a key that a patch may change.
    unlimited: the value that means "no limit", looser than every number.
    choices: the values of a closed choice, strictest first; any other value is looser than all of them.
    """

    kind: Kind
    relaxes: Relaxes
    sweep: str | None = None
    unlimited: tuple[JsonValue, ...] = ()
    choices: tuple[JsonValue, ...] = ()

    def looseness(self, value: JsonValue) -> float | None:
        """A number that grows as ``value`` relaxes the key; None for a key that does neither."""
        if self.choices:
            return float(self.choices.index(value) if value in self.choices else len(self.choices))
        if self.relaxes is Relaxes.NEVER:
            return None
        if value in self.unlimited:
            return float("inf")
        if not isinstance(value, int | float):
            return None
        return float(value) if self.relaxes is Relaxes.RAISED else -float(value)


def calibrated(relaxes: Relaxes, *, sweep: str | None = None, unlimited: tuple[JsonValue, ...] = ()) -> Key:
    """A key whose value is derived from measured runs."""
    return Key(Kind.CALIBRATED, relaxes, sweep=sweep, unlimited=unlimited)


def policy(relaxes: Relaxes, *, unlimited: tuple[JsonValue, ...] = ()) -> Key:
    """A key whose value is a design choice."""
    return Key(Kind.POLICY, relaxes, unlimited=unlimited)


def choice(*strictest_first: JsonValue) -> Key:
    """A policy key with a closed set of values."""
    return Key(Kind.POLICY, Relaxes.NEVER, choices=strictest_first)
