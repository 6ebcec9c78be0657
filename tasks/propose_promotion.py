"""Task: what a recalibration means for the policy in force; outside the tolerance band it asks for a promotion."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.home import home
from invarlock.promotion.promotion_config import load_promotion_config
from invarlock.promotion.recalibration import Recalibration, recalibration_markdown, recalibration_of
from invarlock.promotion.request_store import RequestStore
from invarlock.reports.sweep_result import SweepResult
from tasks.artifacts import show_link, show_markdown
from tasks.open_request import open_request
from tasks.sweep_log import EXPERIMENT
from tasks.tracking import Tracker
from tasks.waiting_runs import start_waiting

REQUESTER = "recalibration"
TAG = "invarlock.recalibration"


@task(name="propose promotion", cache_policy=NO_CACHE, persist_result=False)
def propose_promotion(result: SweepResult) -> str | None:
    """Compare the patch of ``result`` with the policy in force; the request that was opened, if it had to be.

    The same patch for the same policy is one request however often it is made: what a person rejected stays rejected.
    """
    files = RequestStore().files
    patch = Path(result.patch).read_text()
    found = recalibration_of(files, patch, load_promotion_config(files).tolerance)
    opened = _open(result, found) if found.outside else None
    told = f"Request {opened}." if opened else "Nothing is asked for."
    show_markdown(
        f"recalibration {result.run_key[:12]}", recalibration_markdown(found, told), "Beside the policy"
    )
    Tracker(home(), EXPERIMENT).tag(result.links.mlflow_run_id, TAG, f"{found.statement} {told}")
    return opened


def _open(result: SweepResult, found: Recalibration) -> str:
    request = open_request(Path(result.patch), requester=REQUESTER, reason=found.statement)
    if page := start_waiting(request.id):
        show_link(f"promotion {request.id}", page, "The promotion that waits", "Approve or reject it there")
    return request.id
