"""An approved request becomes policy: compare-and-swap on the tiers file in force. There is no other way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from invarlock.digests import digest_of
from invarlock.errors import PromotionError
from invarlock.promotion.approval import counting_approvals
from invarlock.promotion.approval_record import Approval
from invarlock.promotion.candidate import Candidate, candidate_of
from invarlock.promotion.checked import Checked, last_checked
from invarlock.promotion.current import stale, staleness
from invarlock.promotion.history import Approver, Event, EventKind, HistoryEntry, entries
from invarlock.promotion.promotion_config import PromotionConfig
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, State, Step, StepRecord
from invarlock.promotion.turn import Reached, change_policy, turn, unobserved
from invarlock.promotion.verify_history import ensure_recorded, ensure_unbroken
from invarlock.promotion.words import said_name

_EDITED = "the tiers file was edited while it was applied"


def apply_request(
    request_id: str,
    checked: Checked,
    config: PromotionConfig,
    *,
    by: str,
    now: datetime,
    root: Path | None = None,
    reached: Reached = unobserved,
) -> HistoryEntry:
    """Put a request in force; gives its history entry, also when that was done before.

    checked: as :func:`keep_checks` gave it just now; by, now: who applies it, and when; reached: told of every stage.
    PromotionError when the request is closed or stale (which is kept as its end), when no approval of these checks
    counts, when it is not what was reviewed, or when the history is broken.
    """
    with turn(root) as store:
        request = store.request(request_id)
        if store.state(request_id) is State.APPLIED:
            return entry_of(store, request)
        store.ensure_open(request_id)
        ensure_unbroken(store)
        applier = said_name(by, "who applies it")
        if reason := staleness(store, request):
            raise _ended_as_stale(store, request, reason, by=applier, at=now)
        ensure_recorded(store)
        _ensure_last(store, request, checked)
        approvals = counting_approvals(request_id, config, now=now, root=root)
        candidate = candidate_of(store.files, request)
        _ensure_reviewed(store, request, candidate)
        event = _event(request, candidate, checked, approvals, by=applier, at=now)
        entry = change_policy(store, candidate.data, event, reached)
        if entry is None:
            raise _ended_as_stale(store, request, _EDITED, by=applier, at=now)
        return entry


def entry_of(store: RequestStore, request: Request) -> HistoryEntry:
    """The history entry that applied ``request``. PromotionError when there is none."""
    for entry in entries(store.files):
        if entry.event.binding == request.binding:
            return entry
    raise PromotionError(
        f"the history entry that applied request {request.id} is gone",
        where=store.files.history,
        fix="find out who changed it, and bring the file back from a copy",
    )


def _ended_as_stale(
    store: RequestStore, request: Request, reason: str, *, by: str, at: datetime
) -> PromotionError:
    store.add(Step.STALE, StepRecord(binding=request.binding, by=by, at=at, reason=reason))
    return stale(store, request, reason)


def _ensure_last(store: RequestStore, request: Request, checked: Checked) -> None:
    if last_checked(store, request.id) != checked:
        raise PromotionError(
            f"request {request.id} was checked again since, with other findings",
            where=store.files.request(request.id),
            fix="look at it again, and apply it again",
        )


def _ensure_reviewed(store: RequestStore, request: Request, candidate: Candidate) -> None:
    if candidate.changes != request.changes:
        raise PromotionError(
            f"request {request.id} would change something else than its reviewers were shown",
            where=store.files.request(request.id),
            fix="request the change anew",
        )


def _event(
    request: Request,
    candidate: Candidate,
    checked: Checked,
    approvals: Sequence[Approval],
    *,
    by: str,
    at: datetime,
) -> Event:
    return Event(
        kind=EventKind(request.kind),
        from_sha256=request.base_sha256,
        to_sha256=candidate.sha256,
        changes=candidate.changes,
        requester=request.requester,
        reason=request.reason,
        binding=request.binding,
        run=request.run,
        checked_sha256=checked.sha256,
        approvals=tuple(
            Approver(by=approval.by, at=approval.at, sha256=digest_of(approval)) for approval in approvals
        ),
        applied_by=by,
        at=at,
    )
