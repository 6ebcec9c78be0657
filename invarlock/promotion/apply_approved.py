"""The one way from a request to policy: by approvals that count now."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from invarlock.promotion.apply import apply_request
from invarlock.promotion.approval import counting_approvals
from invarlock.promotion.history import HistoryEntry
from invarlock.promotion.promotion_config import PromotionConfig
from invarlock.promotion.requests import State
from invarlock.promotion.turn import Reached, turn, unobserved


def apply_approved(
    request_id: str,
    config: PromotionConfig,
    *,
    by: str,
    now: datetime,
    root: Path | None = None,
    reached: Reached = unobserved,
) -> HistoryEntry:
    """Put a request in force; gives its history entry, also when that was done before.

    Raises as :func:`counting_approvals` and :func:`apply_request`.
    """
    with turn(root) as store:  # finishes what a killed process had begun
        applied = store.state(request_id) is State.APPLIED
    approvals = () if applied else counting_approvals(request_id, config, now=now, root=root)
    return apply_request(request_id, approvals=approvals, by=by, at=now, root=root, reached=reached)
