"""Other requests for the same values: who asks twice has them decided twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from invarlock.policy.diff import Change
from invarlock.promotion.current import standing
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Request, State


def requests_of(store: RequestStore, changes: Sequence[Change]) -> Iterator[Request]:
    """The requests for ``changes`` over the policy in force that are open or were rejected, the newest first.

    Their patches may differ in what made them, such as another version of the code: what people decide on are the
    values. A request that cannot be read is passed over.
    """
    live = store.files.live_sha256()
    for request in reversed(store.requests()[0]):
        same = (request.base_sha256, request.changes) == (live, tuple(changes))
        if same and standing(store, request) not in (State.APPLIED, State.STALE):
            yield request


def open_twin(store: RequestStore, asked: Request) -> Request | None:
    """Another open request for what ``asked`` is for."""
    for request in requests_of(store, asked.changes):
        if request.id != asked.id and store.state(request.id) is not State.REJECTED:
            return request
    return None
