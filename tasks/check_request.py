"""Task: whether a request may be put before people: where it came from, what it changes, what it would have judged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.errors import CheckFailed, PromotionError
from invarlock.policy.tiers_file import load_tiers, read_tiers
from invarlock.promotion.backtest import BackTest, back_test
from invarlock.promotion.candidate import candidate_of
from invarlock.promotion.checked import Refused, keep_refusal
from invarlock.promotion.policy_checks import PolicyCheck, check_policy
from invarlock.promotion.promotion_config import load_promotion_config
from invarlock.promotion.provenance import RunEvidence, prove
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import PromotionRequest, Request
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.promotion.sweep_basis import Basis
from invarlock.record import Record
from tasks.known_evaluations import KnownEvaluations


class Findings(Record):
    """What was found about a request. back_test: None when a check failed before it."""

    bases: tuple[Basis, ...]
    checks: tuple[PolicyCheck, ...]
    back_test: BackTest | None


@task(name="check request", cache_policy=NO_CACHE, persist_result=False)
def check_request(request_id: str, run: RunEvidence | None, known: KnownEvaluations) -> Findings:
    """Everything that can be found out without people. run: None for a rollback, which has none.

    CheckFailed when the request does not come from where it says, or a stored evaluation cannot be judged again. A
    check of policy that fails is among the findings.
    """
    store = RequestStore()
    request = store.request(request_id)
    with failing_as_check():
        bases = () if run is None else prove(_patch(request), run, live_sha256=store.files.live_sha256())
        checks = check_policy(store.files, request, bases, load_promotion_config(store.files).limits)
        passed = all(check.passed for check in checks)
        judged = _judge(store.files, request, known) if passed else None
    return Findings(bases=bases, checks=checks, back_test=judged)


def refuse(
    request: Request, found: Findings | None, error: CheckFailed, *, by: str, at: datetime
) -> CheckFailed:
    """Keep with ``request`` why it did not pass; gives what to raise, which names it. found: None before its checks.

    PromotionError when the request was closed meanwhile.
    """
    where = f" ({error.where})" if error.where else ""
    shown = (
        {} if found is None else {"bases": found.bases, "checks": found.checks, "back_test": found.back_test}
    )
    reason = error.what.partition("\n")[0] + where
    keep_refusal(Refused(binding=request.binding, by=by, at=at, reason=reason, **shown))
    return CheckFailed(
        f"request {request.id} is refused: {error.what}",
        where=error.where or RequestStore().files.request(request.id),
        fix=f"{error.fix}; `invarlock promote show {request.id}` shows what was found",
    )


@contextmanager
def failing_as_check() -> Iterator[None]:
    """Whatever refuses the request inside the block is a failed check."""
    try:
        yield
    except PromotionError as error:
        raise CheckFailed(error.what, where=error.where, fix=error.fix) from error


def _judge(files: RuntimeFiles, request: Request, known: KnownEvaluations) -> BackTest:
    candidate = read_tiers(candidate_of(files, request).data.decode(), Path("candidate"))
    return back_test(known.each(), load_tiers(files.live), candidate)


def _patch(request: Request) -> str:
    return request.patch if isinstance(request, PromotionRequest) else ""
