"""The errors of the product, one small hierarchy.

A message says what was wrong, where (file and key path, or module name) and what to do about it.
The command line turns any of these into its text and the class's exit code (see ``invarlock.cli.main``).
"""

from __future__ import annotations

from pathlib import Path


class InvarlockError(Exception):
    """Base of every error that a user can mend.

    Parameters
    ----------
    what: one sentence that names the offending value.
    where: file and key path, or module name.
    fix: what to do next.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | Path | None = None, fix: str | None = None) -> None:
        self.what = what
        self.where = str(where) if where is not None else None
        self.fix = fix
        super().__init__(what, self.where, fix)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix:   {self.fix}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.where, self.fix))


def _rebuild(cls: type[InvarlockError], what: str, where: str | None, fix: str | None) -> InvarlockError:
    return cls(what, where=where, fix=fix)


class ConfigError(InvarlockError):
    """A config, profile or command line value that cannot be used."""


class DataError(InvarlockError):
    """Text, windows or schedules that are missing, too few or do not pair."""


class ModelError(InvarlockError):
    """A checkpoint that is absent, unsafe, damaged or of an unsupported kind."""


class MeasurementError(InvarlockError):
    """A measurement that could not be made. Never replaced by a default."""


class EvaluationAborted(MeasurementError):
    """An evaluation without a verdict: something that every verdict rests on could not be measured."""

    exit_code = 3


class PolicyError(InvarlockError):
    """A tiers file, profile or patch that breaks the policy schema."""


class PromotionError(InvarlockError):
    """A request, approval or history that does not let a patch become policy."""


class CheckFailed(PromotionError):
    """A request that does not meet what every promotion must."""

    exit_code = 1


class StoreError(InvarlockError):
    """A kept record or service that cannot be read, written or reached."""
