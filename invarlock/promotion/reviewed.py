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
    return shown_review(request, checks[-1])


def shown_review(request: Request, checked: Checked) -> Review:
    """What reviewers of ``request`` are shown of ``checked``."""
    return review_of(request, checked.bases, checked.checks, checked.back_test)
