"""A request with everything that was done about it, for whoever looks at it."""

from __future__ import annotations

from difflib import unified_diff

from pydantic import AwareDatetime

from invarlock.promotion.approval import Approval
from invarlock.promotion.candidate import candidate_of
from invarlock.promotion.checked import Checked
from invarlock.promotion.current import standing
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Applied, Request, State, Step, StepRecord
from invarlock.promotion.review import Review, review_of
from invarlock.promotion.reviewed import kept_review
from invarlock.record import Record

_KINDS: dict[Step, type[StepRecord]] = {
    Step.CHECKED: Checked,
    Step.APPROVED: Approval,
    Step.REJECTED: StepRecord,
    Step.STALE: StepRecord,
    Step.APPLIED: Applied,
}


class TakenStep(Record):
    """One thing that happened. until: of an approval, when it expires."""

    step: Step
    by: str
    at: AwareDatetime
    reason: str
    until: AwareDatetime | None = None


class ShownRequest(Record):
    """state: stale also when nobody has tried to apply it since; review: without checks before they are made."""

    state: State
    review: Review
    steps: tuple[TakenStep, ...]


def shown_request(store: RequestStore, request: Request) -> ShownRequest:
    """In the caller's turn."""
    steps = [
        TakenStep(
            step=step,
            by=record.by,
            at=record.at,
            reason=record.reason,
            until=record.expires_at if isinstance(record, Approval) else None,
        )
        for step, kind in _KINDS.items()
        for record in store.records(request.id, step, kind)
    ]
    return ShownRequest(
        state=standing(store, request),
        review=kept_review(store, request) or review_of(request, (), (), None),
        steps=tuple(sorted(steps, key=lambda taken: taken.at)),
    )


def changed_lines(store: RequestStore, request: Request) -> tuple[str, ...]:
    """The unified diff from the tiers file that ``request`` was made for to the one that it makes.

    Empty when another policy is in force now and it was never applied.
    """
    files = store.files
    if store.state(request.id) is State.APPLIED:
        [applied] = store.records(request.id, Step.APPLIED, Applied)
        old, new = files.version(request.base_sha256), files.version(applied.to_sha256).read_text()
    elif files.live_sha256() != request.base_sha256:
        return ()
    else:
        old, new = files.live, candidate_of(files, request).data.decode()
    return tuple(
        unified_diff(old.read_text().splitlines(), new.splitlines(), "tiers.yaml", "tiers.yaml", lineterm="")
    )
