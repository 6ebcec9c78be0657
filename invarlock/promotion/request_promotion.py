"""Asking for a patch to become policy."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from invarlock.digests import sha256_hex
from invarlock.errors import PromotionError
from invarlock.promotion.candidate import patched, read_patch
from invarlock.promotion.history import head
from invarlock.promotion.patch_header import read_header
from invarlock.promotion.requests import PromotionRequest, RunReference, request_id, said, said_name
from invarlock.promotion.turn import turn

MOST_BYTES = 1 << 18  # a patch holds some tens of values


def request_promotion(
    patch: bytes,
    *,
    mlflow_run_id: str,
    requester: str,
    reason: str,
    created_at: datetime,
    allow_large: str | None = None,
    root: Path | None = None,
) -> PromotionRequest:
    """Keep a request to lay ``patch``, as a sweep wrote it, over the tiers file in force.

    allow_large: why it may move further than the limits on movement allow. Asked again with the same words, it gives
    the request that is there. Raises PromotionError or PolicyError when it could never be applied: made for
    another policy, changing nothing or what no sweep recommends, or no valid patch.
    """
    text = _text(patch)
    header = read_header(text)
    run = RunReference(
        mlflow_run_id=said_name(mlflow_run_id, "an MLflow run"),
        run_key=header.run_key,
        report_content_sha256=header.report_content_sha256,
    )
    read = read_patch(text)  # before the turn: a long one takes seconds, and everybody would wait
    with turn(root) as store:
        live = store.files.live_sha256()
        if live != header.base_sha256:
            raise PromotionError(
                f"the patch is stale: it is for the policy {header.base_sha256[:12]}, and {live[:12]} is in force",
                where=store.files.live,
                fix="run the same calibration again with --fresh: measurements are kept, recommendations made anew",
            )
        after, change = head(store.files), sha256_hex(patch)
        who, why = said_name(requester, "a requester"), said(reason, "a reason")
        large = None if allow_large is None else said(allow_large, "a reason for a large change")
        request = PromotionRequest(
            id=request_id(change, live, after, run, (who, why, large)),
            change_sha256=change,
            base_sha256=live,
            after=after,
            run=run,
            requester=who,
            reason=why,
            created_at=created_at,
            changes=patched(store.files, read).changes,
            patch=text,
            allow_large=large,
        )
        return store.add_request(request)


def _text(patch: bytes) -> str:
    if len(patch) > MOST_BYTES:
        raise PromotionError(
            f"a patch of {len(patch)} bytes is no patch", fix="request a patch that a sweep wrote"
        )
    try:
        return patch.decode()
    except UnicodeDecodeError as error:
        raise PromotionError(
            "the patch is not UTF-8 text", fix="request the patch as the sweep wrote it"
        ) from error
