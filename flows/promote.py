"""The promotion: check a request, show it, wait for a person, apply it, register it. Composes tasks; decides nothing.

Every step leaves a record with the request, and a run of the flow begins with what is there: whatever ended the run
before, the next one continues. Only the checks are made in every run: what lies in a file proves nothing about them
(decision 0140).
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from prefect import flow, get_run_logger
from prefect.runtime import deployment

from flows.conduct import without_heartbeat
from invarlock.errors import CheckFailed, InvarlockError, PromotionError
from invarlock.home import home
from invarlock.promotion.apply import apply_request, entry_of
from invarlock.promotion.approval import is_approved
from invarlock.promotion.checked import Checked, keep_checks
from invarlock.promotion.current import ensure_current
from invarlock.promotion.history import HistoryEntry
from invarlock.promotion.person import whoever_runs_this
from invarlock.promotion.promotion_config import load_promotion_config
from invarlock.promotion.promotion_result import PromotionResult
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, State
from invarlock.promotion.review import review_of
from invarlock.promotion.reviewed import kept_review, shown_review
from invarlock.promotion.shown_request import changed_lines
from invarlock.promotion.turn import turn
from invarlock.promotion.verify_history import ensure_unbroken
from tasks.artifacts import flow_run_url
from tasks.ask_approval import ask_approval
from tasks.check_request import Findings, check_request, failing_as_check, refuse
from tasks.flow_lease import flow_lease
from tasks.known_evaluations import known_evaluations
from tasks.register_policy import register_policy
from tasks.run_evidence import run_evidence
from tasks.show_request import show_request
from tasks.sweep_log import EXPERIMENT
from tasks.tracking import Tracker
from tasks.waiting_runs import closed_as, settle_waiting


def run_promotion(request_id: str) -> PromotionResult:
    """Run :func:`promote` in this process, where it does not wait."""
    with without_heartbeat():
        return promote(request_id)


@flow(name="promote", flow_run_name="promote {request_id}", persist_result=False)
def promote(request_id: str) -> PromotionResult:
    """Carry a request as far as it goes (design page 6); see ``invarlock promote``.

    A run of a deployment waits for an approval, suspended; any other ends with the request checked. CheckFailed when
    it does not meet what every promotion must; PromotionError when it is closed or stale, of which a run of a
    deployment ends as cancelled instead. Other runs that wait for what is closed by then are ended too.
    """
    with flow_lease(home() / "flow_runs"):
        try:
            return _carry_on(request_id)
        except PromotionError:
            store = RequestStore()
            closed = closed_as(store, store.request(request_id)) if deployment.id is not None else None
            if closed is None:
                raise
            return cast(PromotionResult, closed)  # for Prefect a returned state is how the run ends
        finally:
            _settle()


def _carry_on(request_id: str) -> PromotionResult:
    with turn() as store:  # finishes what a killed process had begun
        request, state = store.request(request_id), store.state(request_id)
        if not state.is_final:
            ensure_unbroken(store)
    if state is State.APPLIED:
        return _in_force(request, entry_of(store, request))
    store.ensure_open(request.id)
    ensure_current(store, request)
    checked = _check(request)
    config = load_promotion_config(store.files)
    if not is_approved(request.id, config, now=_now()):
        if deployment.id is None:
            return PromotionResult(
                request_id=request.id,
                state=State.CHECKED,
                review=shown_review(request, checked),
                prefect_url=flow_run_url(),
            )
        store.ensure_open(request.id)  # the checks take seconds
        ask_approval(request, checked, config)
    entry = apply_request(request.id, checked, config, by=whoever_runs_this(), now=_now())
    return _in_force(request, entry)


def _check(request: Request) -> Checked:
    found: Findings | None = None
    try:
        with tempfile.TemporaryDirectory(prefix="invarlock-promotion-") as scratch, failing_as_check():
            run = None
            if request.run is not None:
                tracker = Tracker(home(), EXPERIMENT)
                run = run_evidence(tracker, request.run.mlflow_run_id, Path(scratch) / "run")
            found = check_request(request.id, run, known_evaluations(Path(scratch) / "evaluations"))
            # Also when it is refused.
            review = review_of(request, found.bases, found.checks, found.back_test)
            show_request(review, changed_lines(RequestStore(), request))
            return keep_checks(
                request, found.bases, found.checks, found.back_test, by=whoever_runs_this(), at=_now()
            )
    except CheckFailed as error:
        raise refuse(request, found, error, by=whoever_runs_this(), at=_now()) from error


def _settle() -> None:
    """What cannot be told now is told when a worker starts."""
    try:
        settle_waiting()
    except InvarlockError as error:
        get_run_logger().warning("Runs that wait for an approval were left alone: %s", error.what)


def _in_force(request: Request, entry: HistoryEntry) -> PromotionResult:
    return PromotionResult(
        request_id=request.id,
        state=State.APPLIED,
        review=kept_review(RequestStore(), request),
        entry=entry,
        registered=register_policy(),
        prefect_url=flow_run_url(),
    )


def _now() -> datetime:
    return datetime.now(UTC)
