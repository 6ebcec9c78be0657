"""That a request was checked: what it rests on, every check, and the back-test, kept with it for its reviewers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from invarlock.digests import digest_of
from invarlock.errors import PromotionError
from invarlock.promotion.backtest import BackTest, ensure_caught
from invarlock.promotion.policy_checks import PolicyCheck
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, Step, StepRecord
from invarlock.promotion.sweep_basis import Basis
from invarlock.promotion.turn import turn
from invarlock.promotion.words import said_name


class Checked(StepRecord):
    """All checks of a request passed."""

    bases: tuple[Basis, ...]
    checks: tuple[PolicyCheck, ...]
    back_test: BackTest

    @property
    def sha256(self) -> str:
        """What an approval names, and so what its approver was shown."""
        return digest_of(self)

    def confirms(self, shown: Checked) -> bool:
        """Whether whoever was shown ``shown`` would be shown nothing else now.

        Evaluations that came since do not count while nothing flips by them; one that is gone does.
        """
        now, then = self.back_test, shown.back_test
        return (
            (self.binding, self.bases, self.checks) == (shown.binding, shown.bases, shown.checks)
            and (now.flips, now.missed) == (then.flips, then.missed)
            and all(each in now.evaluations for each in then.evaluations)
        )


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
    back_test: BackTest | None,
    *,
    by: str,
    at: datetime,
    root: Path | None = None,
) -> Checked:
    """Keep what was found with ``request`` just now; gives the last that was kept when that says the same.

    PromotionError when a check failed, when nothing was judged again, or when a known fault would pass.
    """
    ensure_passed(checks)
    if back_test is None:
        raise PromotionError("no stored evaluation was judged again", fix="let the back-test run first")
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
    with turn(root) as store:
        *_, last = (None, *store.records(request.id, Step.CHECKED, Checked))
        if last is not None and checked.confirms(last):
            return last
        store.add(Step.CHECKED, checked)
    return checked


def last_checked(store: RequestStore, request_id: str) -> Checked:
    """The newest checks of a request. PromotionError when there are none."""
    found = store.records(request_id, Step.CHECKED, Checked)
    if not found:
        raise PromotionError(
            f"request {request_id} is not checked",
            where=store.files.request(request_id),
            fix="let them run first: `invarlock promote apply ID` makes them",
        )
    return found[-1]
