"""One process at a time on policy and history, and nothing that a killed one left undone.

A change of policy goes through the stages of :class:`Stage`. Killed before SWAPPED, the old policy is in force and
nothing has happened; killed later, the new one is in force and the next turn writes what is missing (decision 0102).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from invarlock.digests import sha256_hex
from invarlock.errors import PromotionError
from invarlock.files import sync_folder, write_atomic
from invarlock.promotion.history import (
    NOTHING,
    Event,
    HistoryEntry,
    applied_by,
    history_lines,
    last_entry,
    named_versions,
    parse_entry,
)
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import State, Step
from invarlock.promotion.runtime_files import RuntimeFiles


class Stage(StrEnum):
    """What is done, in this order."""

    STARTED = "the change is decided on"
    PENDING = "the history entry is written beside the history"
    KEPT = "the old and the new version are kept"
    STAGED = "the new tiers file is written beside the old one"
    SWAPPED = "the new tiers file is in force"
    APPENDED = "the history has its entry"
    RECORDED = "the request is applied"
    DONE = "nothing is left to do"


Reached = Callable[[Stage], None]


def unobserved(stage: Stage) -> None:
    """Nobody wants to hear of the stages."""


@contextmanager
def turn(root: Path | None = None) -> Iterator[RequestStore]:
    """Hold the policy, its requests and its history; what a killed process left is finished first.

    Not to be nested. Raises PromotionError when what was left fits neither the old policy nor the new one.
    """
    store = RequestStore(root)
    with store.files.exclusive():
        _finish(store)
        yield store


def change_policy(
    store: RequestStore, candidate: bytes, event: Event, reached: Reached = unobserved
) -> HistoryEntry | None:
    """Put ``candidate`` in force with its history entry, in the caller's turn.

    None, and nothing has happened, when the tiers file in force is no longer the one that ``event`` changes: an editor
    waits for no turn, so it is compared last of all (decision 0141).
    """
    files = store.files
    reached(Stage.STARTED)
    base = files.live.read_bytes()
    if sha256_hex(base) != event.from_sha256:
        return None
    entry = _announce(files, event)
    reached(Stage.PENDING)
    _keep(files, base)
    _keep(files, candidate)
    reached(Stage.KEPT)
    write_atomic(files.staged, candidate)
    shutil.copymode(files.live, files.staged)
    reached(Stage.STAGED)
    if files.live_sha256() != event.from_sha256:
        _take_back(files, event)
        return None
    files.staged.replace(files.live)
    sync_folder(files.live.parent)
    reached(Stage.SWAPPED)
    _complete(store, entry, reached)
    return entry


def note_change(store: RequestStore, made: bytes, event: Event) -> HistoryEntry:
    """The history entry of a tiers file, ``made``, that is in force already, in the caller's turn."""
    entry = _announce(store.files, event)
    _keep(store.files, made)
    _complete(store, entry, unobserved)
    return entry


def _keep(files: RuntimeFiles, data: bytes) -> None:
    path = files.version(sha256_hex(data))
    if not path.exists() or path.read_bytes() != data:
        write_atomic(path, data)
        sync_folder(files.versions)
        sync_folder(files.versions.parent)


def _announce(files: RuntimeFiles, event: Event) -> HistoryEntry:
    entry = HistoryEntry.following(last_entry(files), event)
    write_atomic(files.pending, entry.line())
    sync_folder(files.pending.parent)
    return entry


def _complete(store: RequestStore, entry: HistoryEntry, reached: Reached) -> None:
    """What follows the swap; each part is left out when it is there already."""
    _append(store.files, entry)
    reached(Stage.APPENDED)
    applied = applied_by(entry)
    if applied is not None and store.state(applied.binding.request_id) is not State.APPLIED:
        store.add(Step.APPLIED, applied)
    reached(Stage.RECORDED)
    store.files.pending.unlink()
    sync_folder(store.files.pending.parent)
    reached(Stage.DONE)


def _append(files: RuntimeFiles, entry: HistoryEntry) -> None:
    """Add the line, after what is provably the beginning of this very line was cut away."""
    lines, rest = history_lines(files)
    if lines and lines[-1] == entry.line() and not rest:
        return
    follows = (len(lines) + 1, sha256_hex(lines[-1]) if lines else NOTHING)
    if follows != (entry.number, entry.previous) or not entry.line().startswith(rest):
        raise PromotionError(
            "the history does not end where an interrupted change began",
            where=files.history,
            fix="find out who changed it, and bring the file back from a copy",
        )
    with files.history.open("ab") as history:
        os.truncate(history.fileno(), history.tell() - len(rest))
        history.write(entry.line() + b"\n")
        history.flush()
        os.fsync(history.fileno())
    sync_folder(files.history.parent)


def _finish(store: RequestStore) -> None:
    """Finish the change that a killed process was about to make, or take it back when it was not made."""
    files = store.files
    for folder, name in ((files.live.parent, ""), (files.versions, ""), (files.promotions, "*/")):
        for unfinished in folder.glob(f"{name}.*.tmp"):
            files.contained(unfinished).unlink()
    if not files.pending.exists():
        return
    entry = parse_entry(files.pending.read_bytes())
    lines, rest = history_lines(files)
    if entry is None:
        raise _contradiction(files, "what it was to write is damaged")
    data = files.live.read_bytes()
    live = sha256_hex(data)
    if live == entry.event.to_sha256:
        _keep(files, data)  # an edit by hand is in force before it is announced
        _complete(store, entry, unobserved)
    elif lines[-1:] == [entry.line()]:
        _complete(store, entry, unobserved)
    elif not rest and (live == entry.event.from_sha256 or not files.version(entry.event.to_sha256).exists()):
        _take_back(files, entry.event)
    else:
        versions = f"{entry.event.from_sha256[:12]} nor {entry.event.to_sha256[:12]}"
        raise _contradiction(files, f"the tiers file is neither version {versions}")


def _take_back(files: RuntimeFiles, event: Event) -> None:
    """Undo what was begun before the swap. A version that no entry names was kept for this change alone."""
    files.staged.unlink(missing_ok=True)
    for sha256 in {event.from_sha256, event.to_sha256} - named_versions(files):
        files.version(sha256).unlink(missing_ok=True)
    if files.versions.exists():
        sync_folder(files.versions)
    files.pending.unlink()
    sync_folder(files.pending.parent)


def _contradiction(files: RuntimeFiles, what: str) -> PromotionError:
    return PromotionError(
        f"a change of policy was interrupted, and {what}",
        where=files.pending,
        fix=f"put the version that is to be in force, from {files.versions}, in the place of {files.live}",
    )
