"""An approved request becomes policy: compare-and-swap on the tiers file in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from invarlock.digests import digest_of
from invarlock.errors import PromotionError
from invarlock.promotion.candidate import Candidate, candidate_of
from invarlock.promotion.history import Approver, Event, EventKind, HistoryEntry, entries, head
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, State, Step, StepRecord, said_name
from invarlock.promotion.turn import Reached, change_policy, turn, unobserved
from invarlock.promotion.verify_history import edited_by_hand, ensure_unbroken


def apply_request(
    request_id: str,
    *,
    approvals: Sequence[StepRecord],
    by: str,
    at: datetime,
    root: Path | None = None,
    reached: Reached = unobserved,
) -> HistoryEntry:
    """Put a request in force; gives its history entry, also when that was done before.

    approvals: those that count, at least one, each kept as a step of this request. by, at: who applies it, and when;
    reached: told of every stage. PromotionError when the request is closed or stale (which is kept as its
    end), not approved, or not what was reviewed, or when the history is broken.
    """
    with turn(root) as store:
        request = store.request(request_id)
        if store.state(request_id) is State.APPLIED:
            return _entry_of(store, request)
        store.ensure_open(request_id)
        ensure_unbroken(store)
        _ensure_current(store, request, by=said_name(by, "who applies it"), at=at)
        _ensure_recorded(store)
        _ensure_approved(store, request, approvals)
        candidate = candidate_of(store.files, request)
        _ensure_reviewed(store, request, candidate)
        event = _event(request, candidate, approvals, by=by.strip(), at=at)
        return change_policy(store, candidate.data, event, reached)


def staleness(store: RequestStore, request: Request) -> str | None:
    """Why ``request`` is for another policy than the one in force; None when it is for this one."""
    live = store.files.live_sha256()
    if live != request.base_sha256:
        return f"it was made for the policy {request.base_sha256[:12]}, and {live[:12]} is in force"
    if head(store.files) != request.after:
        return "the policy was changed and changed back since it was made"
    return None


def _ensure_current(store: RequestStore, request: Request, *, by: str, at: datetime) -> None:
    reason = staleness(store, request)
    if reason is None:
        return
    store.add(Step.STALE, StepRecord(binding=request.binding, by=by, at=at, reason=reason))
    raise PromotionError(
        f"request {request.id} is stale: {reason}",
        where=store.files.live,
        fix="run the same calibration again: measurements are kept, the recommendation is made anew",
    )


def _ensure_recorded(store: RequestStore) -> None:
    edited = edited_by_hand(store)
    if edited is not None:
        raise PromotionError(
            f"the history does not know the policy in force: {edited.reason}",
            where=store.files.live,
            fix=f"record the edit with its reason, or put the last version back from {store.files.versions}",
        )


def _ensure_approved(store: RequestStore, request: Request, approvals: Sequence[StepRecord]) -> None:
    foreign = [approval for approval in approvals if approval.binding != request.binding]
    if foreign or not approvals or not all(store.holds(Step.APPROVED, approval) for approval in approvals):
        raise PromotionError(
            f"request {request.id} is not approved"
            + (": an approval is of another request" if foreign else ""),
            where=store.files.request(request.id),
            fix="have this very request approved",
        )


def _ensure_reviewed(store: RequestStore, request: Request, candidate: Candidate) -> None:
    if candidate.changes != request.changes:
        raise PromotionError(
            f"request {request.id} would change something else than its reviewers were shown",
            where=store.files.request(request.id),
            fix="request the change anew",
        )


def _event(
    request: Request, candidate: Candidate, approvals: Sequence[StepRecord], *, by: str, at: datetime
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
        approvals=tuple(
            Approver(by=approval.by, at=approval.at, sha256=digest_of(approval)) for approval in approvals
        ),
        applied_by=by,
        at=at,
    )


def _entry_of(store: RequestStore, request: Request) -> HistoryEntry:
    for entry in entries(store.files):
        if entry.event.binding == request.binding:
            return entry
    raise PromotionError(
        f"the history entry that applied request {request.id} is gone",
        where=store.files.history,
        fix="find out who changed it, and bring the file back from a copy",
    )
