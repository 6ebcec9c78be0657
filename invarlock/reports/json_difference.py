"""Where two JSON documents differ, field by field, in the order of the first."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from pydantic import JsonValue

RELATIVE, ABSOLUTE = 1e-9, 1e-12  # sums and bootstrap ends may differ by rounding between builds of numpy
_SHOWN = 100  # characters of a value

Path = tuple[str | int, ...]


class Missing(Enum):
    """A field that is not there."""

    MISSING = "nothing"


Field = JsonValue | Missing


@dataclass(frozen=True)
class Difference:
    """said: in the first document; expected: in the second."""

    path: Path
    said: Field
    expected: Field


def differences(said: Field, expected: Field, path: Path = ()) -> Iterator[Difference]:
    """Leaves that differ, or are on one side only. Floats agree within ``RELATIVE``, or within ``ABSOLUTE`` of 0."""
    if isinstance(said, dict) and isinstance(expected, dict):
        for key in dict.fromkeys((*said, *expected)):
            yield from differences(
                said.get(key, Missing.MISSING), expected.get(key, Missing.MISSING), (*path, key)
            )
    elif isinstance(said, list) and isinstance(expected, list):
        for index in range(max(len(said), len(expected))):
            yield from differences(_item(said, index), _item(expected, index), (*path, index))
    elif not _agree(said, expected):
        yield Difference(path, said, expected)


def restricted(said: JsonValue, like: JsonValue) -> JsonValue:
    """Only those fields of ``said`` that ``like`` has."""
    if isinstance(said, dict) and isinstance(like, dict):
        return {key: restricted(said[key], each) for key, each in like.items() if key in said}
    if isinstance(said, list) and isinstance(like, list):
        return [restricted(*pair) for pair in zip(said, like, strict=False)]
    return said


def count_leaves(value: JsonValue) -> int:
    """How many fields a document has that are no mapping or list."""
    if isinstance(value, dict | list):
        return sum(count_leaves(each) for each in (value.values() if isinstance(value, dict) else value))
    return 1


def path_text(path: Path) -> str:
    """``spectral.modules[3].z``; a key with a dot in it is quoted, as in jq.

    >>> path_text(("spectral", "final_z_scores", "h.0.attn", 2))
    'spectral.final_z_scores["h.0.attn"][2]'
    """
    parts = [
        f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{json.dumps(key)}]" for key in path
    ]
    return "".join(parts).removeprefix(".")


def field_text(value: Field) -> str:
    """A value on one line, cut where it is long."""
    if isinstance(value, Missing):
        return value.value
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]} ..."


def _item(values: list[JsonValue], index: int) -> Field:
    return values[index] if index < len(values) else Missing.MISSING


def _agree(said: Field, expected: Field) -> bool:
    if type(said) is type(expected) and said == expected:  # True is 1 in Python
        return True
    if isinstance(said, bool) or isinstance(expected, bool):
        return False
    if isinstance(said, float | int) and isinstance(expected, float | int):
        return said == expected or (
            isinstance(expected, float) and math.isclose(said, expected, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
        )
    return False
