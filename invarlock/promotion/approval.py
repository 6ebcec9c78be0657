"""Approving and rejecting a request, and which approvals count."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime

from invarlock.digests import canonical_json
from invarlock.errors import PromotionError
from invarlock.promotion.checked import Checked, last_checked
from invarlock.promotion.current import ensure_current
from invarlock.promotion.person import person_name
from invarlock.promotion.promotion_config import PromotionConfig, allowed_signers_path
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, Sha256, Step, StepRecord
from invarlock.promotion.signatures import NAMESPACE, flaw_of, sign
from invarlock.promotion.steps import record_step
from invarlock.promotion.turn import turn
from invarlock.promotion.words import said

_AHEAD = timedelta(minutes=5)  # by which the clock of whoever approves may be fast


class Approval(StepRecord):
    """A person's yes to one request. checked_sha256: of the checks that were shown; signature: armored, of
    :attr:`statement`.
    """

    checked_sha256: Sha256
    expires_at: AwareDatetime
    signature: str | None = None

    @property
    def statement(self) -> bytes:
        """What is signed: canonical JSON of all the rest, and what it is for."""
        said = self.model_dump(mode="json", exclude={"signature"})
        return canonical_json({"namespace": NAMESPACE, "approval": said})

    def signed(self, key: Path) -> Approval:
        """The same with a signature. Raises as :func:`sign`."""
        return self.model_copy(update={"signature": sign(self.statement, key)})


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

    PromotionError when the request is closed, stale or not checked, or when the approval would not count.
    """
    with turn(root) as store:
        request = store.request(approval.binding.request_id)
        store.ensure_open(request.id)
        ensure_current(store, request)
        flaw = _flaw(approval, request, last_checked(store, request.id), config, store, now)
        if flaw is not None:
            raise _not_counting(store, request, flaw)
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
    checked = last_checked(store, request_id)
    kept = store.records(request_id, Step.APPROVED, Approval)
    flaws = {approval: _flaw(approval, request, checked, config, store, now) for approval in kept}
    counting = tuple(approval for approval, flaw in flaws.items() if flaw is None)
    if not counting:
        told = "; ".join(flaw for flaw in flaws.values() if flaw is not None)
        raise _not_counting(store, request, told or "nobody has approved it")
    return counting


def _flaw(
    approval: Approval,
    request: Request,
    checked: Checked,
    config: PromotionConfig,
    store: RequestStore,
    now: datetime,
) -> str | None:
    """Why ``approval`` does not count; None when it does."""
    expires_at = min(approval.expires_at, approval.at + timedelta(days=config.expires_days))
    if approval.binding != request.binding:
        return f"the approval of {approval.by} is of {_differing(approval, request)}"
    if approval.checked_sha256 != checked.sha256:
        return f"the approval of {approval.by} is of other checks than the last ones"
    if approval.at > now + _AHEAD:
        return f"the approval of {approval.by} is dated {approval.at.isoformat()}, which is yet to come"
    if now >= expires_at:
        return f"the approval of {approval.by} expired at {expires_at.isoformat()}"
    if config.four_eyes and request.is_asked_by(approval.by):
        return f"{approval.by} has requested it and cannot approve it: four eyes must see it"
    return _signature_flaw(approval, config, store)


def _signature_flaw(approval: Approval, config: PromotionConfig, store: RequestStore) -> str | None:
    """A signature that is there is checked, whether it is required or not."""
    allowed = allowed_signers_path(store.files, config)
    if approval.signature is None:
        return f"the approval of {approval.by} is not signed" if config.signatures.required else None
    if allowed is None:
        return f"the signature of {approval.by} cannot be checked: no allowed_signers says whose key it is"
    flaw = flaw_of(approval.statement, approval.signature, by=approval.by, allowed_signers=allowed)
    return None if flaw is None else f"the signature of {approval.by} is bad: {flaw}"


def _differing(approval: Approval, request: Request) -> str:
    theirs, ours = approval.binding, request.binding
    if theirs.base_sha256 != ours.base_sha256:
        return f"a change of another policy, {theirs.base_sha256[:12]}"
    if theirs.change_sha256 != ours.change_sha256:
        return f"another patch, {theirs.change_sha256[:12]}"
    return "another request, or this one was altered since"


def _not_counting(store: RequestStore, request: Request, why: str) -> PromotionError:
    return PromotionError(
        f"request {request.id} is not approved: {why}",
        where=store.files.request(request.id),
        fix="have this very request approved by somebody who may",
    )
