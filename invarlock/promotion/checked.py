"""That a request was checked: what it rests on, every check, and the back-test, kept with it for its reviewers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from invarlock.errors import PromotionError
from invarlock.promotion.backtest import BackTest, ensure_caught
from invarlock.promotion.policy_checks import PolicyCheck
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, Step, StepRecord, said_name
from invarlock.promotion.steps import record_step
from invarlock.promotion.sweep_basis import Basis


class Checked(StepRecord):
    """All checks of a request passed."""

    bases: tuple[Basis, ...]
    checks: tuple[PolicyCheck, ...]
    back_test: BackTest


def ensure_passed(checks: Sequence[PolicyCheck]) -> None:
    """PromotionError with the reason of every check that failed."""
    failed = [f"{check.name}: {check.reason}" for check in checks if not check.passed]
    if failed or not checks:
        raise PromotionError(
            "\n".join(["the request does not meet the policy checks", *(f"  {line}" for line in failed)]),
            fix="calibrate with more runs, or request it anew with what is missing",
        )


def keep_checks(
    request: Request,
    bases: Sequence[Basis],
    checks: Sequence[PolicyCheck],
    back_test: BackTest,
    *,
    by: str,
    at: datetime,
    root: Path | None = None,
) -> Checked:
    """Keep what was found with ``request``. PromotionError when a check failed, or a known fault would pass."""
    ensure_passed(checks)
    ensure_caught(back_test)
    checked = Checked(
        binding=request.binding,
        by=said_name(by, "who checked it"),
        at=at,
        reason=f"{len(checks)} checks passed, {len(back_test.evaluations)} stored evaluations judged again",
        bases=tuple(bases),
        checks=tuple(checks),
        back_test=back_test,
    )
    record_step(Step.CHECKED, checked, root=root)
    return checked


def last_checked(store: RequestStore, request_id: str) -> Checked:
    """The newest checks of a request. PromotionError when there are none."""
    found = store.records(request_id, Step.CHECKED, Checked)
    if not found:
        raise PromotionError(
            f"request {request_id} is not checked",
            where=store.files.request(request_id),
            fix="let its provenance, its checks and the back-test run first",
        )
    return found[-1]
