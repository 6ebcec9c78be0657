"""What a schema found wrong, told to the file's author: key path, value, the key that was meant."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing wrong at one key."""

    path: KeyPath
    message: str

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.message}" if self.path else self.message


def dotted(path: KeyPath) -> str:
    """``("tiers", 0, "m")`` as ``tiers[0].m``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).removeprefix(".")


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Every problem in ``error``, which validating against ``model`` raised."""
    found = [
        (tuple(key for key in one["loc"] if key != "[key]"), one) for one in error.errors(include_url=False)
    ]
    return [
        Problem(path, _message(one["type"], one["msg"], one["input"], path, model))
        for path, one in found
        # A list is called too short by the items that are wrong, and told by their own problems.
        if one["type"] != "too_short"
        or not any(len(p) > len(path) and p[: len(path)] == path for p, _ in found)
    ]


def first_problem(error: ValidationError) -> Problem:
    """The first problem in ``error``, of a file that a program wrote: nobody needs to hear which key was meant."""
    first = error.errors(include_url=False)[0]
    return Problem(first["loc"], "missing" if first["type"] == "missing" else _wording(first["msg"]))


def _message(kind: str, text: str, value: object, path: KeyPath, model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        known = known_keys(model, path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        return (
            f"unknown key; did you mean {near[0]}?"
            if near
            else f"unknown key; known here: {', '.join(known)}"
        )
    if kind == "missing":
        return "missing"
    text = _wording(text)
    if isinstance(value, str | int | float | None):
        return f"{text}, not {json.dumps(value, ensure_ascii=False)}"
    return text


def _wording(text: str) -> str:
    """What pydantic says, inside a sentence and without the name of Python's error."""
    text = text.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return text[:1].lower() + text[1:]


@lru_cache(maxsize=256)  # making a schema takes 70 ms, and a file may have thousands of unknown keys
def known_keys(model: type[BaseModel], path: KeyPath) -> tuple[str, ...]:
    """Sorted keys that ``model`` knows in the mapping at ``path``."""
    schema = _schema(model)
    nodes = list(_variants(schema, schema))
    for key in path:
        nodes = [
            variant
            for node in nodes
            for child in _children(node, key)
            for variant in _variants(schema, child)
        ]
    return tuple(sorted({name for node in nodes for name in node.get("properties", {})}))


# A JSON schema is JSON of any shape, hence Any.
@lru_cache(maxsize=64)
def _schema(model: type[BaseModel]) -> Mapping[str, Any]:
    return model.model_json_schema()


def _variants(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """``node`` with its reference followed and its alternatives spread out."""
    if "$ref" in node:
        yield from _variants(schema, schema["$defs"][node["$ref"].removeprefix("#/$defs/")])
    for alternative in node.get("anyOf", ()):
        yield from _variants(schema, alternative)
    yield node


def _children(node: Mapping[str, Any], key: str | int) -> Iterator[Mapping[str, Any]]:
    if isinstance(key, int):
        child = node.get("items")
    else:
        child = node.get("properties", {}).get(key, node.get("additionalProperties"))
    if isinstance(child, Mapping):
        yield child
