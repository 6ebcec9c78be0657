"""How far a request is for whoever looks at it: an approval that counts no more and checks that failed included."""

from __future__ import annotations

from datetime import datetime

from invarlock.promotion.approval import is_approved
from invarlock.promotion.checked import standing_refusal
from invarlock.promotion.current import standing
from invarlock.promotion.promotion_config import load_promotion_config
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, State


def shown_state(store: RequestStore, request: Request, *, now: datetime) -> State:
    """As :func:`standing`; refused when the last checks failed, and checked only when no approval counts ``now``.

    ConfigError when the rules of promotion cannot be read.
    """
    state = standing(store, request)
    if state.is_final:
        return state
    if standing_refusal(store, request.id) is not None:
        return State.REFUSED
    if state is not State.APPROVED:
        return state
    config = load_promotion_config(store.files)
    counts = is_approved(request.id, config, now=now, root=store.files.root)
    return State.APPROVED if counts else State.CHECKED
