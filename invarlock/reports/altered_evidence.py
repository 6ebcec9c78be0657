"""Which value of the evidence was altered: putting the old one back restores the hash that the reports carry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from pydantic import JsonValue

from invarlock.digests import digest_of
from invarlock.reports.json_difference import Difference, Field, Missing, Path


@dataclass(frozen=True)
class Altered:
    """path: below the document that was given; said: what is there now; original: what was."""

    path: Path
    said: JsonValue
    original: JsonValue


def find_altered(document: JsonValue, sha256: str, effects: Iterable[Difference]) -> Altered | None:
    """The one leaf of ``document`` whose change explains that its hash is no longer ``sha256``.

    effects: reports as filed against what ``document`` now gives. A value that reports repeat, such as a loss or a
    threshold, shows among them as (old, new). None where nothing that they repeat, or more than one value, changed.
    """
    swaps = {
        json.dumps([effect.expected, effect.said]): (effect.expected, effect.said)
        for effect in effects
        if _is_value(effect.expected) and _is_value(effect.said)
    }
    leaves = list(_leaves(document, ()))
    for now, original in swaps.values():
        for path, leaf in leaves:
            same = type(leaf) is type(now) and leaf == now
            if same and digest_of(_with(document, path, original)) == sha256:
                return Altered(path, now, original)
    return None


def _is_value(field: Field) -> TypeGuard[JsonValue]:
    return not isinstance(field, Missing | dict | list)


def _leaves(value: JsonValue, path: Path) -> Iterator[tuple[Path, JsonValue]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _leaves(each, (*path, index))
    else:
        yield path, value


def _with(value: JsonValue, path: Path, leaf: JsonValue) -> JsonValue:
    """A copy of ``value`` with ``leaf`` at ``path``."""
    if not path:
        return leaf
    if isinstance(value, dict):
        return {key: _with(each, path[1:], leaf) if key == path[0] else each for key, each in value.items()}
    assert isinstance(value, list)
    return [_with(each, path[1:], leaf) if index == path[0] else each for index, each in enumerate(value)]
