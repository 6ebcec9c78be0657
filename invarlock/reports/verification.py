"""What a check of an evaluation found: records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from invarlock.record import Record
from invarlock.reports.json_difference import Difference, field_text, path_text


class Disagreement(Record):
    """A field that is not what it must be. said_by, expected_by: the words before the two values."""

    file: str
    path: str
    said: str
    expected: str
    said_by: str = "report says"
    expected_by: str = "recomputed"

    @classmethod
    def of(cls, file: str, difference: Difference) -> Self:
        """A field of ``file`` that came out otherwise."""
        return cls(
            file=file,
            path=path_text(difference.path),
            said=field_text(difference.said),
            expected=field_text(difference.expected),
        )

    @property
    def sentence(self) -> str:
        """``file: path: report says X, recomputed Y``."""
        return f"{self.file}: {self.path}: {self.said_by} {self.said}, {self.expected_by} {self.expected}"


class Check(Record):
    """One thing that was recomputed; compared: how many values of it."""

    what: str
    compared: int
    disagreements: tuple[Disagreement, ...] = ()

    @property
    def agrees(self) -> bool:
        """Nothing differs."""
        return not self.disagreements


class Verification(Record):
    """notes: what to know about the comparison; limits: what no check of these files can know."""

    report: str
    run_key: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    limits: tuple[str, ...]

    @property
    def disagreements(self) -> Iterator[Disagreement]:
        """All of them; the first is the one to look at first."""
        return (each for check in self.checks for each in check.disagreements)

    @property
    def first(self) -> Disagreement | None:
        """The first disagreement."""
        return next(self.disagreements, None)

    @property
    def exit_code(self) -> int:
        """0: everything agrees; 1: something does not."""
        return 0 if self.first is None else 1
