"""Task: the history in MLflow: a run and a version of the policy for each entry, alias `live` on the last."""

from __future__ import annotations

from collections.abc import Mapping

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.home import home
from invarlock.promotion.history import HistoryEntry, entries
from invarlock.promotion.promotion_result import RegisteredPolicy
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import PromotionRequest
from invarlock.promotion.review_page import review_html
from invarlock.promotion.review_text import review_markdown
from invarlock.promotion.reviewed import kept_review
from invarlock.promotion.shown_request import changed_lines
from tasks.tracking import Tracker
from tasks.tracking_policies import (
    ENTRY,
    EXPERIMENT,
    FOLDER,
    POLICY,
    policy_url,
    policy_version,
    set_live,
)

_MOST_WORDS = 500  # of a reason, where MLflow shows it; whole it is in the history entry


@task(name="register policy", cache_policy=NO_CACHE, persist_result=False)
def register_policy() -> RegisteredPolicy | None:
    """Register every entry that is not registered yet; gives the last one, None without any.

    What a process that was killed left out is so made up for by the next one, rollbacks and edits by hand included.
    """
    tracker = Tracker(home(), EXPERIMENT)
    with tracker.exclusive("policy registry"):
        store = RequestStore()
        version = None
        for entry in entries(store.files):
            version = _register(tracker, store, entry)
        if version is None:
            return None
        set_live(tracker, version)
    return RegisteredPolicy(name=POLICY, version=version, url=policy_url(tracker, version))


def _register(tracker: Tracker, store: RequestStore, entry: HistoryEntry) -> str:
    event = entry.event
    name = f"policy {entry.number} {event.kind.value} {event.to_sha256[:12]}"
    run = tracker.sweep_run(entry.sha256, name, _facts(entry), {"invarlock.kind": event.kind.value})
    if not run.complete:
        run = tracker.finish(run, _files(store, entry))
    tags = {f"invarlock.{name}": value for name, value in _facts(entry).items()}
    return policy_version(tracker, run, event.reason[:_MOST_WORDS], tags)


def _facts(entry: HistoryEntry) -> Mapping[str, str]:
    event = entry.event
    return {
        "history_number": str(entry.number),
        ENTRY: entry.sha256,
        "kind": event.kind.value,
        "tiers_sha256": event.to_sha256,
        "from_sha256": event.from_sha256,
        "requester": event.requester[:_MOST_WORDS],
        "approved_by": ", ".join(approval.by for approval in event.approvals)[:_MOST_WORDS],
        "approvals_sha256": " ".join(approval.sha256 for approval in event.approvals),
        "request_id": event.binding.request_id if event.binding else "none",
        "calibration_run": event.run.mlflow_run_id if event.run else "none",
    }


def _files(store: RequestStore, entry: HistoryEntry) -> Mapping[str, bytes]:
    event = entry.event
    files = {
        "tiers.yaml": store.files.version(event.to_sha256).read_bytes(),
        "history_entry.json": entry.line(),
    }
    if event.binding is not None:
        request = store.request(event.binding.request_id)
        if isinstance(request, PromotionRequest):
            files["tiers_patch.yaml"] = request.patch.encode()
        review = kept_review(store, request)
        if review is not None:
            lines = changed_lines(store, request)
            files["review.md"] = review_markdown(review, lines).encode()
            files["review.html"] = review_html(review, lines).encode()
    return {f"{FOLDER}/{name}": content for name, content in files.items()}
