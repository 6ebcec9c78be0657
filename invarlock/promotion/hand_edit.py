"""A tiers file that was edited by hand, told to the history: policy keys are changed that way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from invarlock.digests import sha256_hex
from invarlock.errors import PromotionError
from invarlock.policy.diff import Change, diff_tiers
from invarlock.policy.tiers_file import load_tiers, read_tiers
from invarlock.promotion.candidate import text_of
from invarlock.promotion.history import Event, EventKind, HistoryEntry, last_entry
from invarlock.promotion.person import person_name
from invarlock.promotion.policy_checks import key_of
from invarlock.promotion.turn import note_change, turn
from invarlock.promotion.verify_history import ensure_unbroken
from invarlock.promotion.words import said


def record_hand_edit(*, by: str, reason: str, at: datetime, root: Path | None = None) -> HistoryEntry:
    """Add the tiers file in force to the history, as edited by hand since the last entry.

    Before the first entry there is nothing to record: that one starts from whatever is in force. PromotionError when
    nothing was edited, when a key was that a sweep recommends, or when the history is broken; PolicyError when the
    file is no valid policy.
    """
    with turn(root) as store:
        ensure_unbroken(store)
        made = store.files.live.read_bytes()
        last, live = last_entry(store.files), sha256_hex(made)
        if last is None or live == last.event.to_sha256:
            raise PromotionError(
                "there is no edit to record: the history begins with the first promotion"
                if last is None
                else "there is no edit to record: the tiers file is the one that the history ends with",
                where=store.files.live,
                fix="nothing is to be done; an edit is recorded after the file was saved",
            )
        before = load_tiers(store.files.version(last.event.to_sha256))
        changes = diff_tiers(before, read_tiers(text_of(made, store.files.live), store.files.live))
        _refuse_calibrated(changes, store.files.live)
        event = Event(
            kind=EventKind.EDIT,
            from_sha256=last.event.to_sha256,
            to_sha256=live,
            changes=changes,
            requester=person_name(by, "who edited it"),
            reason=said(reason, "a reason"),
            binding=None,
            run=None,
            checked_sha256=None,
            approvals=(),
            applied_by=by.strip(),
            at=at,
        )
        return note_change(store, made, event)


def _refuse_calibrated(changes: Sequence[Change], path: Path) -> None:
    """What a sweep recommends has a way of its own, with evidence and a second person (decision 0142)."""
    calibrated = [change.path for change in changes if key_of(change).sweep is not None]
    if calibrated:
        raise PromotionError(
            f"calibrated values are not changed by hand: {', '.join(calibrated)}",
            where=path,
            fix="put the old values back; `invarlock promote request` takes the patch of a calibration, and "
            "`invarlock promote rollback` brings earlier values back",
        )
