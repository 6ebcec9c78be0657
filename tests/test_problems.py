"""A file full of mistakes is told about at once, and in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

import pytest
from pydantic import Field, ValidationError, model_validator

from invarlock.errors import ConfigError
from invarlock.problems import first_problem, known_keys, problems_of
from invarlock.record import Record
from invarlock.yaml_source import read_yaml_record


class Inner(Record):
    rate: float = 0.5


class Counted(Record):
    """Counts how often its schema is made, which takes 70 ms for a tiers file."""

    inner: Inner = Inner()

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        made.append(cls)
        return super().model_json_schema(*args, **kwargs)


made: list[type] = []


def test_thousands_of_unknown_keys_make_one_schema() -> None:
    unknown = {f"k{number}": 1 for number in range(2000)}
    with pytest.raises(ValidationError) as caught:
        Counted.model_validate({**unknown, "inner": {"rat": 1, **unknown}})
    problems = [str(problem) for problem in problems_of(caught.value, Counted)]
    assert len(problems) == 4001
    assert "inner.rat: unknown key; did you mean rate?" in problems
    assert problems[-1] == "k1999: unknown key; known here: inner"
    assert len(made) == 1
    assert known_keys(Counted, ("inner",)) == ("rate",)


class Checked(Record):
    inner: Inner = Inner()

    @model_validator(mode="after")
    def _is_half(self) -> Self:
        if self.inner.rate != 0.5:
            raise ValueError("the rate is not a half")
        return self


def test_our_own_words_come_without_pythons() -> None:
    with pytest.raises(ValidationError) as caught:
        Checked.model_validate({"inner": {"rate": 1}})
    assert str(first_problem(caught.value)) == "the rate is not a half"
    assert [str(problem) for problem in problems_of(caught.value, Checked)] == ["the rate is not a half"]
    with pytest.raises(ValidationError) as caught:
        Listed.model_validate({})
    assert str(first_problem(caught.value)) == "inner: missing"


class Listed(Record):
    inner: Annotated[tuple[Inner, ...], Field(min_length=1)]


@pytest.mark.parametrize(
    ("items", "told"),
    [
        (
            [{"rate": "x"}],
            ['inner[0].rate: input should be a valid number, unable to parse string as a number, not "x"'],
        ),
        ([], ["inner: tuple should have at least 1 item after validation, not 0"]),
    ],
)
def test_a_list_with_a_bad_item_is_not_too_short_as_well(items: list[Any], told: list[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Listed.model_validate({"inner": items})
    assert [str(problem) for problem in problems_of(caught.value, Listed)] == told


def test_a_few_are_told_and_the_rest_is_counted() -> None:
    text = "".join(f"k{number}: 1\n" for number in range(600))
    with pytest.raises(ConfigError) as caught:
        read_yaml_record(text, Path("file.yaml"), Inner, error=ConfigError)
    first, *lines, last = caught.value.what.splitlines()
    assert (first, len(lines), last) == ("600 problems", 20, "  and 580 more")
    assert lines[-1] == "  line 20, column 1: k19: unknown key; known here: rate"
