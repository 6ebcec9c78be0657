"""What the checks of a request found: what it rests on, every check, and the back-test, kept for people to read."""

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


class Refused(StepRecord):
    """The request did not pass. No approval and no apply rests on it; empty is what was not reached."""

    bases: tuple[Basis, ...] = ()
    checks: tuple[PolicyCheck, ...] = ()
    back_test: BackTest | None = None

    def repeats(self, earlier: Refused) -> bool:
        """Whether whoever reads ``earlier`` learns nothing new."""
        newly = {"by": self.by, "at": self.at}
        return earlier.model_copy(update=newly) == self


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
        if last is not None and checked.confirms(last) and standing_refusal(store, request.id) is None:
            return last
        store.add(Step.CHECKED, checked)
    return checked


def keep_refusal(refused: Refused, *, root: Path | None = None) -> None:
    """Keep with the request why it did not pass, once while nothing else is found. PromotionError when it is closed."""
    with turn(root) as store:
        last = standing_refusal(store, refused.binding.request_id)
        if last is None or not refused.repeats(last):
            store.add(Step.REFUSED, refused)


def standing_refusal(store: RequestStore, request_id: str) -> Refused | None:
    """Why the request did not pass its last checks; None when it did, or there are none."""
    *_, passed = (None, *store.records(request_id, Step.CHECKED, Checked))
    *_, refused = (None, *store.records(request_id, Step.REFUSED, Refused))
    return None if refused is None or (passed is not None and passed.at >= refused.at) else refused


def last_checked(store: RequestStore, request_id: str) -> Checked:
    """The newest checks of a request, passed. PromotionError when there are none, or the last did not pass."""
    refused = standing_refusal(store, request_id)
    if refused is not None:
        raise PromotionError(
            f"request {request_id} did not pass its last checks: {refused.reason}",
            where=store.files.request(request_id),
            fix=f"`invarlock promote show {request_id}` shows what was found; `invarlock promote apply {request_id}` "
            "checks it again",
        )
    found = store.records(request_id, Step.CHECKED, Checked)
    if not found:
        raise PromotionError(
            f"request {request_id} is not checked",
            where=store.files.request(request_id),
            fix=f"let the checks run first: `invarlock promote apply {request_id}` makes them",
        )
    return found[-1]
