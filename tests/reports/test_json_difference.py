from __future__ import annotations

import pytest
from pydantic import JsonValue

from invarlock.reports.json_difference import (
    Missing,
    count_leaves,
    differences,
    field_text,
    path_text,
    restricted,
)


@pytest.mark.parametrize(
    ("said", "expected", "paths"),
    [
        ({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 3]}, ["b[1]"]),
        ({"z": 0, "a": 0}, {"a": 1, "z": 1}, ["z", "a"]),  # the order of the first document
        ({"a": [1]}, {"a": [1, 2]}, ["a[1]"]),
        ({"a": {}}, {"a": {"b.c": None}}, ['a["b.c"]']),
        ({"a": True}, {"a": 1}, ["a"]),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1e9 + 2}, {"a": 1e9}, ["a"]),
        ({"a": 1e9 + 0.5}, {"a": 1e9}, []),
        ({"a": 10**9 + 1}, {"a": 10**9}, ["a"]),  # counts agree exactly
        ({"a": 1e-13}, {"a": 0.0}, []),
        ({"a": {"b": 1}}, {"a": [1]}, ["a"]),
        ({"a": None}, {}, ["a"]),
    ],
)
def test_differences(said: JsonValue, expected: JsonValue, paths: list[str]) -> None:
    assert [path_text(each.path) for each in differences(said, expected)] == paths


def test_a_missing_field_is_not_null() -> None:
    [found] = differences({}, {"a": None})
    assert (found.said, found.expected) == (Missing.MISSING, None)
    assert (field_text(found.said), field_text(found.expected)) == ("nothing", "null")


def test_restricted_keeps_what_the_other_has() -> None:
    said: JsonValue = {"a": [{"b": 1, "c": 2}, {"b": 3}], "d": 4}
    assert restricted(said, {"a": [{"b": 0}, {"b": 0}], "e": 0}) == {"a": [{"b": 1}, {"b": 3}]}


def test_counting() -> None:
    assert count_leaves({"a": [1, 2, {"b": None}], "c": {}}) == 3
