"""Approving and rejecting a request, and which approvals count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from invarlock.errors import PromotionError
from invarlock.promotion.approval_flaw import Flaw, approving, flaw_in
from invarlock.promotion.approval_record import Approval
from invarlock.promotion.checked import Checked, last_checked
from invarlock.promotion.current import ensure_current
from invarlock.promotion.person import person_name
from invarlock.promotion.promotion_config import PromotionConfig
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, Step, StepRecord
from invarlock.promotion.steps import record_step
from invarlock.promotion.turn import turn
from invarlock.promotion.verify_history import ensure_unbroken
from invarlock.promotion.words import said


def draft_approval(
    request: Request, checked: Checked, *, by: str, reason: str, at: datetime, config: PromotionConfig
) -> Approval:
    """An approval of ``request`` as ``checked`` shows it, which expires as ``config`` says; to be signed or kept."""
    return Approval(
        binding=request.binding,
        by=person_name(by, "who approves"),
        at=at,
        reason=said(reason, "a reason"),
        checked_sha256=checked.sha256,
        expires_at=at + timedelta(days=config.expires_days),
    )


def approve(
    approval: Approval, config: PromotionConfig, *, now: datetime, root: Path | None = None
) -> Approval:
    """Keep ``approval`` with its request.

    PromotionError when the request is closed, stale or not checked, when the approval would not count, or when the
    history is broken.
    """
    with turn(root) as store:
        request = store.request(approval.binding.request_id)
        store.ensure_open(request.id)
        ensure_unbroken(store)
        ensure_current(store, request)
        flaw = flaw_in(approval, request, last_checked(store, request.id), config, store, now)
        if flaw is not None:
            raise _not_counting(store, request, [flaw])
        store.add(Step.APPROVED, approval)
    return approval


def reject(request: Request, *, by: str, reason: str, at: datetime, root: Path | None = None) -> StepRecord:
    """Close ``request``. Whoever asked for it may take it back so."""
    words = {"by": person_name(by, "who rejects"), "reason": said(reason, "a reason")}
    rejection = StepRecord(binding=request.binding, at=at, **words)
    record_step(Step.REJECTED, rejection, root=root)
    return rejection


def counting_approvals(
    request_id: str, config: PromotionConfig, *, now: datetime, root: Path | None = None
) -> tuple[Approval, ...]:
    """The approvals that let a request be applied now, at least one.

    PromotionError with what is wrong with each when none counts, and when the request was not checked.
    """
    store = RequestStore(root)
    request = store.request(request_id)
    found = flaws_of(store, request, config, now=now)
    counting = tuple(approval for approval, flaw in found.items() if flaw is None)
    if not counting:
        nobody = Flaw(
            "nobody has approved it", f"have another person approve it: {approving(request, config)}"
        )
        raise _not_counting(store, request, [flaw for flaw in found.values() if flaw] or [nobody])
    return counting


def flaws_of(
    store: RequestStore, request: Request, config: PromotionConfig, *, now: datetime
) -> dict[Approval, Flaw | None]:
    """Every approval that was kept, with why it does not count; None for one that does. Raises as last_checked."""
    checked = last_checked(store, request.id)
    kept = store.records(request.id, Step.APPROVED, Approval)
    return {approval: flaw_in(approval, request, checked, config, store, now) for approval in kept}


def is_approved(request_id: str, config: PromotionConfig, *, now: datetime, root: Path | None = None) -> bool:
    """Whether an approval lets the request be applied now."""
    try:
        return bool(counting_approvals(request_id, config, now=now, root=root))
    except PromotionError:
        return False  # whoever applies it is told why


def _not_counting(store: RequestStore, request: Request, flaws: Sequence[Flaw]) -> PromotionError:
    return PromotionError(
        f"request {request.id} is not approved: {'; '.join(flaw.what for flaw in flaws)}",
        where=store.files.request(request.id),
        fix="; ".join(dict.fromkeys(flaw.fix for flaw in flaws)),
    )
