"""The review of a request that was checked, from what was kept of its checks."""

from __future__ import annotations

from invarlock.promotion.checked import Checked
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, Step
from invarlock.promotion.review import Review, review_of


def kept_review(store: RequestStore, request: Request) -> Review | None:
    """What reviewers of ``request`` are shown; None when it is not checked yet."""
    checks = store.records(request.id, Step.CHECKED, Checked)
    if not checks:
        return None
    last = checks[-1]
    return review_of(request, last.bases, last.checks, last.back_test)
