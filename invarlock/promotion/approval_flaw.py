"""What stands against an approval, and what helps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from invarlock.promotion.approval_record import Approval
from invarlock.promotion.checked import Checked
from invarlock.promotion.promotion_config import FILE, PromotionConfig, allowed_signers_path
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request
from invarlock.promotion.signatures import flaw_of
from invarlock.reports.time_text import utc_text

_AHEAD = timedelta(minutes=5)  # by which the clock of whoever approves may be fast


class Flaw(NamedTuple):
    """Why an approval does not count, and what to do about it."""

    what: str
    fix: str


def flaw_in(
    approval: Approval,
    request: Request,
    checked: Checked,
    config: PromotionConfig,
    store: RequestStore,
    now: datetime,
) -> Flaw | None:
    """Why ``approval`` does not count; None when it does."""
    again = approving(request, config)
    expires_at = min(approval.expires_at, approval.at + timedelta(days=config.expires_days))
    if approval.binding != request.binding:
        return Flaw(
            f"the approval of {approval.by} is of {_differing(approval, request)}",
            f"approve this very request: {again}",
        )
    if approval.checked_sha256 != checked.sha256:
        return Flaw(
            f"the approval of {approval.by} is of other checks than the last ones",
            f"read the review again, `invarlock promote show {request.id}`, then approve again: {again}",
        )
    if approval.at > now + _AHEAD:
        return Flaw(
            f"the approval of {approval.by} is dated {utc_text(approval.at)}, which is yet to come",
            f"set the clock of the machine where it was given, then approve again: {again}",
        )
    if now >= expires_at:
        return Flaw(
            f"the approval of {approval.by} expired at {utc_text(expires_at)}",
            f"approve again: {again}; how long an approval counts is `expires_days` in runtime/{FILE}",
        )
    if config.four_eyes and request.is_asked_by(approval.by):
        return Flaw(
            f"{approval.by} has requested it and cannot approve it: four eyes must see it",
            f"have another person approve it: {again}",
        )
    return _signature_flaw(approval, config, store)


def approving(request: Request, config: PromotionConfig) -> str:
    """The command that approves ``request``."""
    signing = " --sign KEY" if config.signatures.required else ""
    return f"`invarlock promote approve {request.id} --reason WHY{signing}`"


def _signature_flaw(approval: Approval, config: PromotionConfig, store: RequestStore) -> Flaw | None:
    """A signature that is there is checked, whether it is required or not."""
    allowed = allowed_signers_path(store.files, config)
    if approval.signature is None:
        return (
            Flaw(
                f"the approval of {approval.by} is not signed",
                f"approve by command with `--sign KEY`, the SSH key that {allowed} has for {approval.by}",
            )
            if config.signatures.required
            else None
        )
    if allowed is None:
        return Flaw(
            f"the signature of {approval.by} cannot be checked: no allowed_signers says whose key it is",
            f"name the file of keys in runtime/{FILE}, `allowed_signers` below `signatures`, or approve without --sign",
        )
    flaw = flaw_of(approval.statement, approval.signature, by=approval.by, allowed_signers=allowed)
    if flaw is None:
        return None
    return Flaw(
        f"the signature of {approval.by} is bad: {flaw}",
        f"sign with `--sign KEY` and the key that {allowed} has for the name in --as, {approval.by}; whoever keeps "
        "that file adds a line for a new name or key",
    )


def _differing(approval: Approval, request: Request) -> str:
    theirs, ours = approval.binding, request.binding
    if theirs.base_sha256 != ours.base_sha256:
        return f"a change of another policy, {theirs.base_sha256[:12]}"
    if theirs.change_sha256 != ours.change_sha256:
        return f"another patch, {theirs.change_sha256[:12]}"
    return "another request, or this one was altered since"
