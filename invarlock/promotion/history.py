"""``runtime/history.jsonl``: what happened to the policy, each line chained to the one before by its hash."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, ValidationError

from invarlock.digests import canonical_json, digest_of, sha256_hex
from invarlock.errors import PromotionError
from invarlock.policy.diff import Change
from invarlock.promotion.requests import Applied, Binding, RunReference, Said, Sha256
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.record import Record

NOTHING = "0" * 64  # what the first entry follows


class EventKind(StrEnum):
    """How the policy was changed. edit: by hand, recorded afterwards."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    EDIT = "edit"


class Approver(Record):
    """Who approved, when, and the hash of the approval's canonical JSON."""

    by: Said
    at: AwareDatetime
    sha256: Sha256


class Event(Record):
    """A change of policy. binding and run are None where the change has no request or no run.

    checked_sha256: of the checks that its approvers were shown; None without a request.
    """

    kind: EventKind
    from_sha256: Sha256
    to_sha256: Sha256
    changes: tuple[Change, ...]
    requester: Said
    reason: Said
    binding: Binding | None
    run: RunReference | None
    checked_sha256: Sha256 | None
    approvals: tuple[Approver, ...]
    applied_by: Said
    at: AwareDatetime


class HistoryEntry(Record):
    """One line. previous: hash of the line before; sha256: of this entry's canonical JSON without this field."""

    number: int
    previous: Sha256
    event: Event
    sha256: Sha256

    @classmethod
    def following(cls, last: HistoryEntry | None, event: Event) -> Self:
        """The entry that ``event`` is after ``last``."""
        number = 1 if last is None else last.number + 1
        previous = NOTHING if last is None else sha256_hex(last.line())
        return cls(number=number, previous=previous, event=event, sha256=_own(number, previous, event))

    def line(self) -> bytes:
        """As it is written, without the line end."""
        return canonical_json(self)

    @property
    def is_whole(self) -> bool:
        """Whether it has the hash that it says."""
        return self.sha256 == _own(self.number, self.previous, self.event)


def _own(number: int, previous: str, event: Event) -> str:
    return digest_of({"number": number, "previous": previous, "event": event})


def applied_by(entry: HistoryEntry) -> Applied | None:
    """The record that ``entry`` leaves with its request; None for an entry without one."""
    event = entry.event
    if event.binding is None:
        return None
    return Applied(
        binding=event.binding,
        by=event.applied_by,
        at=event.at,
        reason=event.reason,
        to_sha256=event.to_sha256,
        entry_sha256=entry.sha256,
    )


def history_lines(files: RuntimeFiles) -> tuple[list[bytes], bytes]:
    """The finished lines, without line ends, and what stands after the last line end."""
    *lines, rest = (files.history.read_bytes() if files.history.exists() else b"").split(b"\n")
    return lines, rest


def parse_entry(line: bytes) -> HistoryEntry | None:
    """The entry of a line; None when it is not the canonical JSON of an entry with the hash that it says."""
    try:
        entry = HistoryEntry.model_validate_json(line)
    except ValidationError:
        return None
    return entry if entry.line() == line and entry.is_whole else None


def entries(files: RuntimeFiles) -> tuple[HistoryEntry, ...]:
    """Every entry, the oldest first. PromotionError for a line that is none; the chain is not looked at."""
    found = []
    for number, line in enumerate(history_lines(files)[0], 1):
        entry = parse_entry(line)
        if entry is None:
            raise PromotionError(
                "a line of the history is damaged",
                where=f"{files.history}:{number}",
                fix="bring the file back from a copy",
            )
        found.append(entry)
    return tuple(found)


def named_versions(files: RuntimeFiles) -> frozenset[str]:
    """The hash of every tiers file that an entry changes or makes. Raises as :func:`entries`."""
    events = [entry.event for entry in entries(files)]
    return frozenset(version for event in events for version in (event.from_sha256, event.to_sha256))


def last_entry(files: RuntimeFiles) -> HistoryEntry | None:
    """The newest entry; None before the first. Raises as :func:`entries`."""
    return next(reversed(entries(files)), None)


def head(files: RuntimeFiles) -> str:
    """The hash of the newest entry, zeros before the first: what a request is made after."""
    last = last_entry(files)
    return NOTHING if last is None else last.sha256
