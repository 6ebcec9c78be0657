"""What a reviewer of a request reads: who asks for what, every change with its evidence, every check, every flip."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import AwareDatetime

from invarlock.policy.diff import Change
from invarlock.promotion.backtest import BackTest
from invarlock.promotion.policy_checks import PolicyCheck, basis_of, relaxed_by
from invarlock.promotion.requests import PromotionRequest, Request, RunReference
from invarlock.promotion.sweep_basis import Basis
from invarlock.record import Record
from invarlock.reports.number_text import counted


class ReviewedChange(Record):
    """One key. share: by which it is relaxed, see :func:`relaxed_by`; basis: the runs that it rests on, if any."""

    change: Change
    share: float | None
    basis: Basis | None

    @property
    def unsupported(self) -> str | None:
        """Why the runs do not support the new value; None when they do, or there are none."""
        return None if self.basis is None else self.basis.why_unsupported(self.change)


class Review(Record):
    """A request with all that is known of it. back_test: None when checks failed before it."""

    request_id: str
    kind: str
    requester: str
    reason: str
    allow_large: str | None
    created_at: AwareDatetime
    change_sha256: str
    base_sha256: str
    run: RunReference | None
    changes: tuple[ReviewedChange, ...]
    checks: tuple[PolicyCheck, ...]
    back_test: BackTest | None

    @property
    def bases(self) -> tuple[Basis, ...]:
        """What the changes rest on, each once."""
        used = [each.basis for each in self.changes if each.basis is not None]
        return tuple(basis for place, basis in enumerate(used) if basis not in used[:place])

    @property
    def passed(self) -> bool:
        """Whether nothing stands against asking for an approval."""
        held = bool(self.checks) and all(check.passed for check in self.checks)
        return held and self.back_test is not None and not self.back_test.escaped


def review_of(
    request: Request, bases: Sequence[Basis], checks: Sequence[PolicyCheck], back_test: BackTest | None
) -> Review:
    """Everything about ``request`` in one record."""
    return Review(
        request_id=request.id,
        kind=request.kind,
        requester=request.requester,
        reason=request.reason,
        allow_large=request.allow_large if isinstance(request, PromotionRequest) else None,
        created_at=request.created_at,
        change_sha256=request.change_sha256,
        base_sha256=request.base_sha256,
        run=request.run,
        changes=tuple(
            ReviewedChange(change=change, share=relaxed_by(change), basis=basis_of(change, bases))
            for change in request.changes
        ),
        checks=tuple(checks),
        back_test=back_test,
    )


def change_text(change: Change) -> str:
    """By how much, signed: ``+4.0%``; empty where that has no share."""
    return "" if change.relative is None else f"{change.relative:+.1%}"


def back_test_text(found: BackTest | None) -> str:
    """The back-test in a sentence."""
    if found is None:
        return "Not judged again: a check failed before."
    if not found.evaluations:
        return "There is no stored evaluation to judge again: nothing shows what the change would do."
    faults = sum(each.planted_fault for each in found.evaluations)
    told = f"{counted(len(found.evaluations), 'stored evaluation')} judged again, {faults} of known faults: "
    told += f"{len(found.flips) or 'no'} verdict{'' if len(found.flips) == 1 else 's'} would change"
    missed = (
        f"; {counted(len(found.missed), 'known fault')} passed before and would still" if found.missed else ""
    )
    return f"{told}{missed}."
