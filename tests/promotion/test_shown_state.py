"""How far a request is for whoever looks: refused checks, approvals that ran out, and their reasons."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from invarlock.errors import ConfigError, PromotionError
from invarlock.promotion.approval import approve, draft_approval
from invarlock.promotion.backtest import BackTest
from invarlock.promotion.checked import Checked, Refused, keep_checks, keep_refusal
from invarlock.promotion.policy_checks import PolicyCheck
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, State, Step
from invarlock.promotion.shown_request import shown_request
from invarlock.promotion.shown_state import shown_state
from tests.promotion.config_root import (
    CONFIG,
    NOON,
    PASSED,
    apply_kept,
    checked,
    epsilon,
    requested,
    small_root,
)

FAILED = PolicyCheck(name="runs", passed=False, reason="balanced has 1: at least 5")
HOUR = timedelta(hours=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small_root(tmp_path / "configs")


@pytest.fixture
def request_(root: Path) -> Request:
    return requested(root, epsilon(0.02))


def refuse(root: Path, request: Request, hours: int) -> None:
    said = {"by": "flow", "at": NOON + hours * HOUR, "reason": "one check failed"}
    keep_refusal(Refused(binding=request.binding, checks=(FAILED,), **said), root=root)


def pass_checks(root: Path, request: Request, hours: int) -> Checked:
    tested = BackTest(evaluations=())
    return keep_checks(request, (), [PASSED], tested, by="flow", at=NOON + hours * HOUR, root=root)


def approved(root: Path, request: Request, shown: Checked, hours: int) -> None:
    now = NOON + hours * HOUR
    draft = draft_approval(request, shown, by="bea", reason="read it", at=now, config=CONFIG)
    approve(draft, CONFIG, now=now, root=root)


def state(root: Path, request: Request, hours: int) -> State:
    return shown_state(RequestStore(root), request, now=NOON + hours * HOUR)


def test_failed_checks_are_shown_and_lead_to_no_approval(root: Path, request_: Request) -> None:
    assert state(root, request_, 0) is State.REQUESTED
    refuse(root, request_, 1)
    refuse(root, request_, 2)  # says the same
    store = RequestStore(root)
    assert len(store.records(request_.id, Step.REFUSED, Refused)) == 1
    shown = shown_request(store, request_, now=NOON + 3 * HOUR)
    assert (shown.state, shown.review.checks) == (State.REFUSED, (FAILED,))
    assert [(taken.step, taken.reason) for taken in shown.steps] == [(Step.REFUSED, "one check failed")]
    with pytest.raises(PromotionError, match="did not pass its last checks: one check failed") as refusal:
        apply_kept(root, request_)
    assert f"promote show {request_.id}" in str(refusal.value.fix)


def test_an_approval_from_before_a_refusal_counts_no_more(root: Path, request_: Request) -> None:
    first = pass_checks(root, request_, 1)
    approved(root, request_, first, 2)
    assert state(root, request_, 3) is State.APPROVED
    refuse(root, request_, 3)
    assert state(root, request_, 4) is State.REFUSED
    with pytest.raises(PromotionError, match="did not pass its last checks"):
        approved(root, request_, first, 4)
    second = pass_checks(root, request_, 5)  # the same findings, kept again
    assert (second.sha256 != first.sha256, state(root, request_, 6)) == (True, State.CHECKED)
    assert pass_checks(root, request_, 6) == second
    approved(root, request_, second, 7)
    assert state(root, request_, 8) is State.APPROVED


def test_an_approval_that_ran_out_is_none(root: Path, request_: Request) -> None:
    approved(root, request_, pass_checks(root, request_, 0), 0)
    week = 7 * 24
    assert [state(root, request_, hours) for hours in (week - 1, week)] == [State.APPROVED, State.CHECKED]
    now = NOON + week * HOUR
    [_, taken] = shown_request(RequestStore(root), request_, now=now).steps
    assert taken.flaw == "the approval of bea expired at 2026-01-12 12:00 UTC"
    (root / "runtime/promotion.yaml").write_text("promotion: {expires_days: no}\n")
    with pytest.raises(ConfigError):
        state(root, request_, 1)


def test_what_is_applied_stays_so(root: Path, request_: Request) -> None:
    approved(root, request_, checked(root, request_), 1)
    apply_kept(root, request_)
    assert state(root, request_, 9999) is State.APPLIED
    assert shown_request(RequestStore(root), request_, now=NOON + 9999 * HOUR).steps[1].flaw is None
