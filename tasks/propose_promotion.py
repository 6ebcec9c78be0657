"""Task: what a recalibration means for the policy in force; outside the tolerance band it asks for a promotion."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.errors import PromotionError
from invarlock.home import home
from invarlock.promotion.patch_header import read_header
from invarlock.promotion.person import RECALIBRATION
from invarlock.promotion.promotion_config import load_promotion_config
from invarlock.promotion.recalibration import (
    Recalibration,
    recalibration_markdown,
    recalibration_of,
    standing_request,
)
from invarlock.promotion.request_promotion import requestable
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Origin, State
from invarlock.reports.number_text import counted
from invarlock.reports.sweep_result import SweepResult
from tasks.artifacts import show_link, show_markdown
from tasks.sweep_log import EXPERIMENT
from tasks.waiting_runs import start_waiting

TAG = "invarlock.recalibration"


@task(name="propose promotion", cache_policy=NO_CACHE, persist_result=False)
def propose_promotion(result: SweepResult) -> None:
    """Compare the patch of ``result`` with the policy in force, and ask for its promotion if it has to be.

    The same values for the same policy are asked for once, however often they are found: what a person rejected stays
    rejected.
    """
    store = RequestStore()
    patch = Path(result.patch).read_text()
    found = recalibration_of(store.files, patch, load_promotion_config(store.files).tolerance)
    told = f"{found.statement} {_ask(store, result, found)}{_unread(store)}"
    show_markdown(
        f"recalibration {result.run_key[:12]}", recalibration_markdown(found, told), "Beside the policy"
    )
    from tasks.tracking import Tracker  # late: the flows of sweeps keep MLflow out of their process

    Tracker(home(), EXPERIMENT).tag(result.links.mlflow_run_id, TAG, told)


def _unread(store: RequestStore) -> str:
    """Requests that could not be looked at may have asked for the same."""
    _, damaged = store.requests()
    told = f" {counted(len(damaged), 'request')} cannot be read: see `invarlock promote list`."
    return told if damaged else ""


def _ask(store: RequestStore, result: SweepResult, found: Recalibration) -> str:
    """Open a request where one is needed; what came of it."""
    from tasks.open_request import open_request  # late: imports MLflow

    if not found.outside:
        return "Nothing is asked for."
    patch = Path(result.patch)
    try:
        request = standing_request(store, found) or open_request(
            requestable(patch),
            requester=RECALIBRATION,
            reason=found.statement,
            origin=Origin.RECALIBRATION,
        )
    except PromotionError:
        if read_header(patch.read_text(), patch).base_sha256 == store.files.live_sha256():
            raise
        return "Nothing is asked for: the policy changed during the calibration, and the next one is made for it."
    if store.state(request.id) is State.REJECTED:
        return f"Request {request.id} asked for these values and was rejected."
    if page := start_waiting(request.id):
        show_link(f"promotion {request.id}", page, "The promotion that waits", "Approve or reject it there")
    return f"Request {request.id}."
