"""Whether a request is for the policy that is in force."""

from __future__ import annotations

from invarlock.errors import PromotionError
from invarlock.promotion.history import head
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, State


def staleness(store: RequestStore, request: Request) -> str | None:
    """Why ``request`` is for another policy than the one in force; None when it is for this one."""
    live = store.files.live_sha256()
    if live != request.base_sha256:
        return f"it was made for the policy {request.base_sha256[:12]}, and {live[:12]} is in force"
    if head(store.files) != request.after:
        return "the policy was changed and changed back since it was made"
    return None


def ensure_current(store: RequestStore, request: Request) -> None:
    """PromotionError when ``request`` is stale; the apply keeps that as its end."""
    reason = staleness(store, request)
    if reason is not None:
        raise stale(store, request, reason)


def stale(store: RequestStore, request: Request, reason: str) -> PromotionError:
    """What is raised of a request that is for another policy than the one in force."""
    return PromotionError(
        f"request {request.id} is stale: {reason}",
        where=store.files.live,
        fix="request the change anew; a calibration that is run again with --fresh keeps its measurements",
    )


def standing(store: RequestStore, request: Request) -> State:
    """How far ``request`` is; stale also when nobody has tried to apply it since."""
    state = store.state(request.id)
    return state if state.is_final or staleness(store, request) is None else State.STALE
