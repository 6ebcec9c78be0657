"""What a patch must meet before people look at it. Every check says what it found, passed or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from invarlock.errors import PolicyError, PromotionError
from invarlock.policy.catalog import entry_in_file
from invarlock.policy.diff import Change, Direction
from invarlock.policy.key_document import value_text
from invarlock.policy.keys import Key, Relaxes
from invarlock.promotion.candidate import candidate_of
from invarlock.promotion.promotion_config import Limits
from invarlock.promotion.requests import PromotionRequest, Request
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.promotion.sweep_basis import Basis
from invarlock.record import Record


class PolicyCheck(Record):
    """One check. numbers: what it was decided by; None where a number has no value."""

    name: str
    passed: bool
    reason: str
    numbers: Mapping[str, float | None] = {}


def check_policy(
    files: RuntimeFiles, request: Request, bases: Sequence[Basis], limits: Limits
) -> tuple[PolicyCheck, ...]:
    """Every check of ``request``. A rollback has no runs: it must only be a valid policy.

    Where no valid policy comes of the request, that is the one check there is.
    """
    try:
        candidate = candidate_of(files, request)
    except (PolicyError, PromotionError) as error:
        where = f" ({error.where})" if error.where else ""
        return (PolicyCheck(name="valid policy", passed=False, reason=error.what + where),)
    valid = PolicyCheck(name="valid policy", passed=True, reason="the result passes the schema")
    if not isinstance(request, PromotionRequest):
        return (valid,)
    used = _used(candidate.changes, bases)
    return (
        valid,
        _calibrated(candidate.changes, bases),
        _floor("runs", [(basis, basis.n_runs) for basis in used], limits.min_runs),
        _floor(
            "independent observations", [(basis, basis.n_effective) for basis in used], limits.min_effective
        ),
        _supported(candidate.changes, used, request.allow_large),
        _movement(candidate.changes, limits.most_relaxed, request.allow_large),
    )


def basis_of(change: Change, bases: Sequence[Basis]) -> Basis | None:
    """The runs that ``change`` rests on; None when no sweep of them recommends its key for its tier."""
    sweep = key_of(change).sweep
    return next((basis for basis in bases if (basis.sweep, basis.tier) == (sweep, change.tier)), None)


def key_of(change: Change) -> Key:
    """The policy key that changes."""
    return entry_in_file(change.path.removeprefix(f"{change.tier.value}.")).key


def relaxed_by(change: Change) -> float | None:
    """Share of the value in force by which its gate is relaxed, 0 where it is not; None: from nothing, or to no limit.

    >>> relaxed_by(Change(tier="balanced", path="balanced.rmt_guard.epsilon_by_family.ffn", old=0.01, new=0.02,
    ...                   kind="calibrated", direction="loosening", relative=1.0))
    1.0
    """
    if change.direction is not Direction.LOOSENING:
        return 0.0
    return None if change.relative is None else abs(change.relative)


def _used(changes: Sequence[Change], bases: Sequence[Basis]) -> list[Basis]:
    return [basis for basis in bases if any(basis_of(change, bases) is basis for change in changes)]


def _calibrated(changes: Sequence[Change], bases: Sequence[Basis]) -> PolicyCheck:
    foreign = [change.path for change in changes if basis_of(change, bases) is None]
    told = f"no sweep of this run recommends {', '.join(foreign)}"
    return PolicyCheck(
        name="calibrated keys",
        passed=not foreign,
        reason=told if foreign else "every key that changes is one that its sweep recommends",
        numbers={"changes": len(changes), "foreign": len(foreign)},
    )


def _floor(name: str, counts: Sequence[tuple[Basis, int]], floor: int) -> PolicyCheck:
    short = [
        f"{basis.tier.value} has {count}{_why_none(basis, count)}" for basis, count in counts if count < floor
    ]
    return PolicyCheck(
        name=name,
        passed=bool(counts) and not short,
        reason=f"{'; '.join(short) or ('each tier has enough' if counts else 'there are none')}: at least {floor}",
        numbers={"floor": floor, **{f"{b.sweep} {b.tier.value}": count for b, count in counts}},
    )


def _why_none(basis: Basis, count: int) -> str:
    """In brackets, why ``basis`` has none of what is counted."""
    return "" if count else "".join(f" ({why})" for why in dict.fromkeys(basis.unsupported.values()))


def _supported(changes: Sequence[Change], bases: Sequence[Basis], allowed: str | None) -> PolicyCheck:
    """What the runs do not support may tighten a gate; to loosen one takes a reason."""
    marked = [(change, why) for change in changes if (why := _why_unsupported(change, bases))]
    loosened = [f"{change.path}: {why}" for change, why in marked if change.direction is Direction.LOOSENING]
    return _excusable(
        "supported values",
        loosened,
        "UNSUPPORTED and loosened",
        allowed,
        {"unsupported": len(marked), "loosened": len(loosened)},
    )


def _why_unsupported(change: Change, bases: Sequence[Basis]) -> str | None:
    basis = basis_of(change, bases)
    return None if basis is None else basis.why_unsupported(change)


def _movement(changes: Sequence[Change], most: float, allowed: str | None) -> PolicyCheck:
    return _excusable(
        "movement",
        [why for change in changes for why in _too_far(change, most)],
        f"relaxed by more than {most:.0%} or set to 0",
        allowed,
        {change.path: relaxed_by(change) for change in changes if change.direction is Direction.LOOSENING},
    )


def _too_far(change: Change, most: float) -> Iterator[str]:
    moved = f"{change.path} from {value_text(change.old)} to {value_text(change.new)}"
    share = relaxed_by(change)
    if share is None:
        yield f"{moved} is relaxed without measure"
    elif share > most:
        yield f"{moved} is relaxed by {share:.0%}"
    elif change.new == 0 and key_of(change).relaxes is Relaxes.RAISED:
        yield f"{moved} lets nothing pass"


def _excusable(
    name: str, found: Sequence[str], what: str, allowed: str | None, numbers: Mapping[str, float | None]
) -> PolicyCheck:
    """A check that the requester's reason for a large change outweighs, for reviewers to judge."""
    if not found:
        return PolicyCheck(name=name, passed=True, reason=f"nothing is {what}", numbers=numbers)
    told = f"{what}: {'; '.join(found)}"
    if allowed is None:
        return PolicyCheck(
            name=name, passed=False, reason=f"{told}. This takes --allow-large REASON", numbers=numbers
        )
    return PolicyCheck(name=name, passed=True, reason=f"{told}. Allowed: {allowed}", numbers=numbers)
