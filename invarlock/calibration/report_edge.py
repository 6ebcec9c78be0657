"""Where calibration reads run-report JSON: what every sweep needs of it, checked, and one guard's entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from invarlock.errors import DataError
from invarlock.problems import first_problem


class Lenient(BaseModel):
    """Reads the keys it needs and lets others be: reports may carry more."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class _Named(Lenient):
    name: str


class _Meta(Lenient):
    tier: str | None = None


class _Model(Lenient):
    digest: str | None = None
    baseline_digest: str | None = None


class ReportEdge(Lenient):
    """A run report, as far as a calibration reads it."""

    meta: _Meta = _Meta()
    model: _Model = _Model()
    guards: tuple[JsonValue, ...]


Guard = TypeVar("Guard", bound=Lenient)


def read_guard(
    report: Mapping[str, object], position: int, name: str, form: type[Guard]
) -> tuple[ReportEdge, Guard | None]:
    """The report and its guard entry ``name`` in the given form; None for the entry when there is none.

    Raises DataError, naming the report by its ``position`` (from 0) and the key, when something is not whole.
    """
    try:
        parsed = ReportEdge.model_validate(report)
        entry = next((guard for guard in parsed.guards if _Named.model_validate(guard).name == name), None)
        return parsed, None if entry is None else form.model_validate(entry)
    except ValidationError as error:
        raise DataError(
            str(first_problem(error)),
            where=place_of(position),
            fix="run the sweep that wrote this report again",
        ) from error


def place_of(position: int) -> str:
    """How errors name a report."""
    return f"reports[{position}]"
