"""Whether the history is the one that was written: every line, and every file that a line rests on or leaves."""

from __future__ import annotations

from pathlib import Path

from invarlock.digests import digest_of, sha256_file, sha256_hex
from invarlock.errors import PromotionError
from invarlock.promotion.history import (
    NOTHING,
    HistoryEntry,
    applied_by,
    entries,
    history_lines,
    named_versions,
    parse_entry,
)
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Applied, Step
from invarlock.promotion.turn import turn
from invarlock.record import Record


class BrokenLink(Record):
    """The first thing that is wrong with a history. line: counted from 1; None when it is no line's."""

    line: int | None
    reason: str

    def __str__(self) -> str:
        return self.reason if self.line is None else f"line {self.line}: {self.reason}"


def verify_history(root: Path | None = None) -> BrokenLink | None:
    """The first broken link, or None. Completes a change that a killed process left first, as every turn does.

    The files cannot show that they were rewritten or removed as a whole: the registry can (decision 0142).
    """
    try:
        with turn(root) as store:
            return broken_chain(store) or edited_by_hand(store)
    except PromotionError as error:  # what the killed process left contradicts the files
        return BrokenLink(line=None, reason=str(error))


def ensure_unbroken(store: RequestStore) -> None:
    """PromotionError with the first broken link of the chain. In the caller's turn."""
    broken = broken_chain(store)
    if broken is not None:
        raise broken_history(store, broken)


def broken_history(store: RequestStore, broken: BrokenLink) -> PromotionError:
    """What is raised, or told, of a history with a broken link."""
    return PromotionError(
        f"the history is broken: {broken}",
        where=store.files.history,
        fix="find out who changed it, and bring the file back from a copy",
    )


def ensure_recorded(store: RequestStore) -> None:
    """PromotionError when the tiers file in force is not the one that the history ends with. In the caller's turn."""
    edited = edited_by_hand(store)
    if edited is not None:
        raise PromotionError(
            f"the history does not know the policy in force: {edited.reason}",
            where=store.files.live,
            fix=f"record the edit with its reason, or put the last version back from {store.files.versions}",
        )


def edited_by_hand(store: RequestStore) -> BrokenLink | None:
    """Whether the tiers file in force is another than the history ends with. The chain itself must be whole."""
    last = next(reversed(entries(store.files)), None)
    if last is None or store.files.live_sha256() == last.event.to_sha256:
        return None
    return BrokenLink(
        line=last.number,
        reason=f"runtime/tiers.yaml was edited since: it is not the version {last.event.to_sha256[:12]}",
    )


def broken_chain(store: RequestStore) -> BrokenLink | None:
    """The first broken link, the tiers file in force left aside. In the caller's turn."""
    lines, rest = history_lines(store.files)
    last: HistoryEntry | None = None
    for number, line in enumerate(lines, 1):
        entry = parse_entry(line)
        if entry is None:
            return BrokenLink(line=number, reason="the line is damaged")
        reason = _misplaced(entry, number, last) or _without_its_files(store, entry)
        reason = reason or _without_its_records(store, entry)
        if reason is not None:
            return BrokenLink(line=number, reason=reason)
        last = entry
    if rest:
        return BrokenLink(line=len(lines) + 1, reason="the line is unfinished")
    return _cut_off(store, lines) or _unnamed_version(store)


def _misplaced(entry: HistoryEntry, number: int, last: HistoryEntry | None) -> str | None:
    if entry.number != number:
        return f"this is entry {entry.number}"
    if entry.previous != (NOTHING if last is None else sha256_hex(last.line())):
        return "the line before it is not the one that it was written after"
    if last is not None and entry.event.from_sha256 != last.event.to_sha256:
        return "it changes another version than the line before it made"
    return None


def _without_its_files(store: RequestStore, entry: HistoryEntry) -> str | None:
    for sha256 in (entry.event.from_sha256, entry.event.to_sha256):
        path = store.files.version(sha256)
        if not path.is_file():
            return f"the version {sha256[:12]} is not kept in runtime/history"
        if sha256_file(path) != sha256:
            return f"the version {sha256[:12]} in runtime/history was altered"
    binding = entry.event.binding
    if binding is None:
        return None
    try:
        request = store.request(binding.request_id)
    except PromotionError as error:
        return f"request {binding.request_id}: {error.what}"
    return None if request.binding == binding else f"request {binding.request_id} was altered"


def _without_its_records(store: RequestStore, entry: HistoryEntry) -> str | None:
    """What the entry says was done about its request, and the request's folder does not hold any more."""
    event, applied = entry.event, applied_by(entry)
    if event.binding is None or applied is None:
        return None
    name = event.binding.request_id
    rested_on = [
        (Step.APPLIED, digest_of(applied), "the record of its apply"),
        *((Step.APPROVED, approver.sha256, f"the approval of {approver.by}") for approver in event.approvals),
        (Step.CHECKED, event.checked_sha256, "the record of its checks"),
    ]
    try:
        missing = [what for step, sha256, what in rested_on if sha256 not in store.digests(name, step)]
    except PromotionError as error:
        return f"request {name}: {error.what}"
    return f"request {name}: {', '.join(missing)} is gone or was altered" if missing else None


def _cut_off(store: RequestStore, lines: list[bytes]) -> BrokenLink | None:
    """Lines gone from the end leave the records of the requests that they applied."""
    known = {applied_by(entry) for entry in map(parse_entry, lines) if entry is not None}
    for path in sorted(store.files.promotions.glob(f"*/{Step.APPLIED.value}-*.json")):
        name = path.parent.name
        try:
            applied = store.records(name, Step.APPLIED, Applied)
        except PromotionError as error:
            return BrokenLink(line=None, reason=f"request {name}: {error.what}")
        if not known.issuperset(applied):
            return BrokenLink(line=None, reason=f"request {name} was applied by an entry that is not here")
    return None


def _unnamed_version(store: RequestStore) -> BrokenLink | None:
    """An entry that is gone leaves the version that it made, with a request or without."""
    named = named_versions(store.files)
    unnamed = sorted(path.stem for path in store.files.versions.glob("*.yaml") if path.stem not in named)
    if not unnamed:
        return None
    return BrokenLink(
        line=None, reason=f"the version {unnamed[0][:12]} in runtime/history is of an entry that is not here"
    )
