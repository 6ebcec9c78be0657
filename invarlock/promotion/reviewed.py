"""The review of a request, from what was kept of its checks, passed or not."""

from __future__ import annotations

from invarlock.promotion.checked import Checked, Refused, standing_refusal
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, Step
from invarlock.promotion.review import Review, review_of


def kept_review(store: RequestStore, request: Request) -> Review | None:
    """What reviewers of ``request`` are shown; None when it is not checked yet."""
    refused = standing_refusal(store, request.id)
    checks = store.records(request.id, Step.CHECKED, Checked)
    found = refused or next(reversed(checks), None)
    return None if found is None else shown_review(request, found)


def shown_review(request: Request, found: Checked | Refused) -> Review:
    """What reviewers of ``request`` are shown of what its checks found."""
    return review_of(request, found.bases, found.checks, found.back_test)
