"""Task: the review of a request on the flow run's page: every change with its evidence, every check, every flip."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.promotion.review import Review
from invarlock.promotion.review_text import review_markdown
from tasks.artifacts import show_markdown


@task(name="show request", cache_policy=NO_CACHE, persist_result=False)
def show_request(review: Review, lines: Sequence[str]) -> None:
    """A Markdown artifact under ``review-<request id>``, a version each time that it is shown.

    lines: the unified diff of tiers.yaml.
    """
    show_markdown(f"review {review.request_id}", review_markdown(review, lines), "What is to be approved")
