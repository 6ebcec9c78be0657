"""What an evaluation's verdict rests on, in words and numbers that a person needs: records for any renderer."""

from __future__ import annotations

from enum import StrEnum

from pydantic import JsonValue

from invarlock.gates.support import GateStatus
from invarlock.policy.key_document import value_text
from invarlock.record import Record
from invarlock.reports.evaluation_report import ModelRef, Outcome
from invarlock.reports.number_text import apart, number


class Relation(StrEnum):
    """How a value must stand to its limit."""

    AT_MOST = "at most"
    AT_LEAST = "at least"
    WITHIN = "within"


class Comparison(Record):
    """One number beside its limit. interval: confidence interval of the value; limit: two ends for ``within``.

    holds: as compared here; whether that decides anything is the gate's to say. note: what else there is to know.
    """

    what: str
    value: float
    interval: tuple[float, float] | None = None
    relation: Relation
    limit: float | tuple[float, float]
    holds: bool
    note: str = ""

    @property
    def value_text(self) -> str:
        """With as many digits as it takes to tell it from its limit."""
        return apart(self.value, self.limit)[0] if isinstance(self.limit, float) else number(self.value)

    @property
    def rule_text(self) -> str:
        """``at most 1.102``."""
        if isinstance(self.limit, tuple):
            return f"{self.relation.value} {number(self.limit[0])} to {number(self.limit[1])}"
        return f"{self.relation.value} {apart(self.value, self.limit)[1]}"

    @property
    def interval_text(self) -> str:
        """``1.01 to 1.03``; empty without an interval."""
        return "" if self.interval is None else " to ".join(number(end) for end in self.interval)


class Setting(Record):
    """A policy value that a gate was made from, by its path in ``resolved_policy``.

    set_by: the layer that won: ``built-in``, ``tiers.yaml``, ``profile:NAME``, ``edit:NAME`` or ``config``.
    """

    path: str
    value: JsonValue
    set_by: str

    @property
    def section(self) -> str:
        """The guard, or the gate of the metrics: ``spectral``, ``metrics.pm_ratio``."""
        names = self.path.split(".")
        return ".".join(names[: 2 if names[0] == "metrics" else 1])

    @property
    def key(self) -> str:
        """The path below the section."""
        return self.path.removeprefix(f"{self.section}.")

    @property
    def text(self) -> str:
        """The value on one line."""
        return value_text(self.value)

    @property
    def overridden(self) -> bool:
        """Whether a profile, an edit or a config put it in the tier's place."""
        return self.set_by not in ("built-in", "tiers.yaml")


class GateExplanation(Record):
    """One gate. flag: its name in ``validation``, or ``spike``; acceptable: its value there.

    judged: false where there was nothing to judge by, which is never acceptable.
    finding: a sentence; notes: what a guard found, and what its numbers cannot show, sentences too.
    """

    flag: str
    title: str
    status: GateStatus
    acceptable: bool
    finding: str
    judged: bool = True
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()


class Information(Record):
    """What is told beside the gates and decides nothing."""

    title: str
    finding: str
    notes: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()


class PolicyUsed(Record):
    """Whose thresholds judged. digest: first 16 hex digits of sha256."""

    tier: str
    profile: str
    assurance: str
    digest: str
    sha256: str


class Explanation(Record):
    """The whole evaluation. headline: the verdict as a sentence; reasons: what failed and why; next_steps: what to do.

    data: what was evaluated, a sentence. caution: what must be known first where the report was not found true.
    """

    caution: str = ""

    outcome: Outcome
    exit_code: int
    headline: str
    reasons: tuple[str, ...]
    next_steps: tuple[str, ...]
    gates: tuple[GateExplanation, ...]
    variance: Information
    baseline: ModelRef
    subject: ModelRef
    edit: str
    data: str
    policy: PolicyUsed
    run_key: str
