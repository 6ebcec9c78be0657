"""A tiers file that was edited by hand, told to the history: policy keys are changed that way."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from invarlock.errors import PromotionError
from invarlock.policy.diff import diff_tiers
from invarlock.policy.tiers_file import load_tiers
from invarlock.promotion.history import Event, EventKind, HistoryEntry, last_entry
from invarlock.promotion.requests import said, said_name
from invarlock.promotion.turn import note_change, turn
from invarlock.promotion.verify_history import ensure_unbroken


def record_hand_edit(*, by: str, reason: str, at: datetime, root: Path | None = None) -> HistoryEntry:
    """Add the tiers file in force to the history, as edited by hand since the last entry.

    Before the first entry there is nothing to record: that one starts from whatever is in force. PromotionError when
    nothing was edited or the history is broken, PolicyError when the file is no valid policy.
    """
    with turn(root) as store:
        ensure_unbroken(store)
        last, live = last_entry(store.files), store.files.live_sha256()
        if last is None or live == last.event.to_sha256:
            raise PromotionError(
                "there is no edit to record: the history begins with the first promotion"
                if last is None
                else "there is no edit to record: the tiers file is the one that the history ends with",
                where=store.files.live,
            )
        before = load_tiers(store.files.version(last.event.to_sha256))
        event = Event(
            kind=EventKind.EDIT,
            from_sha256=last.event.to_sha256,
            to_sha256=live,
            changes=diff_tiers(before, load_tiers(store.files.live)),
            requester=said_name(by, "who edited it"),
            reason=said(reason, "a reason"),
            binding=None,
            run=None,
            approvals=(),
            applied_by=by.strip(),
            at=at,
        )
        return note_change(store, event)
