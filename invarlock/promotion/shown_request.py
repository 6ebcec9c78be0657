"""A request with everything that was done about it, for whoever looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from difflib import unified_diff

from pydantic import AwareDatetime

from invarlock.errors import PolicyError, PromotionError
from invarlock.promotion.approval import flaws_of
from invarlock.promotion.approval_flaw import Flaw
from invarlock.promotion.approval_record import Approval
from invarlock.promotion.candidate import candidate_of
from invarlock.promotion.checked import Checked, Refused
from invarlock.promotion.promotion_config import load_promotion_config
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Applied, Request, State, Step, StepRecord
from invarlock.promotion.review import Review, review_of
from invarlock.promotion.reviewed import kept_review
from invarlock.promotion.shown_state import shown_state
from invarlock.record import Record

_KINDS: dict[Step, type[StepRecord]] = {
    Step.REFUSED: Refused,
    Step.CHECKED: Checked,
    Step.APPROVED: Approval,
    Step.REJECTED: StepRecord,
    Step.STALE: StepRecord,
    Step.APPLIED: Applied,
}


class TakenStep(Record):
    """One thing that happened. until: of an approval, when it expires; flaw: why it does not count now."""

    step: Step
    by: str
    at: AwareDatetime
    reason: str
    until: AwareDatetime | None = None
    flaw: str | None = None


class ShownRequest(Record):
    """state: see :func:`shown_state`; review: without checks before they are made."""

    state: State
    review: Review
    steps: tuple[TakenStep, ...]


def shown_request(store: RequestStore, request: Request, *, now: datetime) -> ShownRequest:
    """In the caller's turn."""
    state = shown_state(store, request, now=now)
    flaws = _flaws(store, request, now) if state is State.CHECKED else {}
    steps = [
        _taken(step, record, flaws)
        for step, kind in _KINDS.items()
        for record in store.records(request.id, step, kind)
    ]
    return ShownRequest(
        state=state,
        review=kept_review(store, request) or review_of(request, (), (), None),
        steps=tuple(sorted(steps, key=lambda taken: taken.at)),
    )


def _flaws(store: RequestStore, request: Request, now: datetime) -> Mapping[Approval, Flaw | None]:
    return flaws_of(store, request, load_promotion_config(store.files), now=now)


def _taken(step: Step, record: StepRecord, flaws: Mapping[Approval, Flaw | None]) -> TakenStep:
    approval = record if isinstance(record, Approval) else None
    flaw = None if approval is None else flaws.get(approval)
    return TakenStep(
        step=step,
        by=record.by,
        at=record.at,
        reason=record.reason,
        until=None if approval is None else approval.expires_at,
        flaw=None if flaw is None else flaw.what,
    )


def changed_lines(store: RequestStore, request: Request) -> tuple[str, ...]:
    """The unified diff from the tiers file that ``request`` was made for to the one that it makes.

    Empty when another policy is in force now and it was never applied, and when it makes no valid policy.
    """
    files = store.files
    if store.state(request.id) is State.APPLIED:
        [applied] = store.records(request.id, Step.APPLIED, Applied)
        old, new = files.version(request.base_sha256), files.version(applied.to_sha256).read_text()
    elif files.live_sha256() != request.base_sha256:
        return ()
    else:
        try:
            old, new = files.live, candidate_of(files, request).data.decode()
        except (PolicyError, PromotionError):
            return ()  # the check of that name says why
    return tuple(
        unified_diff(old.read_text().splitlines(), new.splitlines(), "tiers.yaml", "tiers.yaml", lineterm="")
    )
