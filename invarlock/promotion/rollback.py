"""Asking for an earlier policy to come back, byte for byte: checked, approved and applied like any promotion."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from invarlock.errors import PromotionError
from invarlock.promotion.candidate import returning
from invarlock.promotion.history import head, named_versions
from invarlock.promotion.person import person_name
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import RollbackRequest, request_id
from invarlock.promotion.turn import turn
from invarlock.promotion.verify_history import ensure_recorded, ensure_unbroken
from invarlock.promotion.words import said


def request_rollback(
    to_sha256: str, *, requester: str, reason: str, created_at: datetime, root: Path | None = None
) -> RollbackRequest:
    """Keep a request to put the version ``to_sha256`` of the history in force again.

    PromotionError when the history is broken, never had that version, or has it in force, and when an edit by hand is
    not recorded.
    """
    with turn(root) as store:
        ensure_unbroken(store)
        ensure_recorded(store)
        live, after = store.files.live_sha256(), head(store.files)
        _ensure_earlier(store, to_sha256, live)
        words = (person_name(requester, "a requester"), said(reason, "a reason"))
        request = RollbackRequest(
            id=request_id(to_sha256, live, after, None, words),
            change_sha256=to_sha256,
            base_sha256=live,
            after=after,
            requester=words[0],
            reason=words[1],
            created_at=created_at,
            changes=returning(store.files, to_sha256).changes,
        )
        return store.add_request(request)


def _ensure_earlier(store: RequestStore, sha256: str, live: str) -> None:
    if sha256 not in named_versions(store.files):
        raise PromotionError(
            f"the policy {sha256[:12]} was never in force here",
            where=store.files.history,
            fix="choose a version that the history names",
        )
    if sha256 == live:
        raise PromotionError(
            f"the policy {sha256[:12]} is in force",
            where=store.files.live,
            fix="nothing is to be done, or choose another version: `invarlock policy history` names them",
        )
