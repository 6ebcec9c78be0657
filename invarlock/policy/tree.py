"""Nested mappings of policy keys: laying one over another, and one leaf at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue


def merge(below: Mapping[str, JsonValue], above: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """``above`` laid over ``below``: mappings merge key by key, any other value replaces. Neither changes."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def flatten(data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``. Lists, null and empty mappings are leaves."""
    return dict(_leaves(data, ""))


def nested(path: str, value: JsonValue) -> dict[str, JsonValue]:
    """One leaf of :func:`flatten` as it was: ``a.b`` and 1 as ``{"a": {"b": 1}}``."""
    first, dot, rest = path.partition(".")
    return {first: nested(rest, value) if dot else value}


def _leaves(data: Mapping[str, JsonValue], prefix: str) -> Iterator[tuple[str, JsonValue]]:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
