"""Asking for a patch to become policy."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from invarlock.promotion.candidate import Candidate, patched
from invarlock.promotion.history import head
from invarlock.promotion.patch_header import ensure_for
from invarlock.promotion.person import person_name
from invarlock.promotion.requests import Origin, PromotionRequest, RunReference, request_id
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.promotion.sweep_patch import SweepPatch, read_sweep_patch
from invarlock.promotion.turn import turn
from invarlock.promotion.words import said, said_name


def requestable(path: Path, root: Path | None = None) -> SweepPatch:
    """The patch in a file, when it could be requested now, wherever it came from.

    PromotionError or PolicyError when it could never be applied: no valid patch, made for another policy, changing
    nothing or what no sweep recommends.
    """
    patch = read_sweep_patch(path)  # before the turn: a long one takes seconds, and everybody would wait
    with turn(root) as store:
        _candidate(store.files, patch)
    return patch


def request_promotion(
    patch: SweepPatch,
    *,
    mlflow_run_id: str,
    requester: str,
    reason: str,
    created_at: datetime,
    allow_large: str | None = None,
    origin: Origin = Origin.PERSON,
    root: Path | None = None,
) -> PromotionRequest:
    """Keep a request to lay ``patch`` over the tiers file in force.

    allow_large: why it may move further than the limits on movement allow. Asked again with the same words, it gives
    the request that is there. Raises as :func:`requestable`, and PromotionError for a person who has no name, or that
    of recalibrations.
    """
    name = person_name if origin is Origin.PERSON else said_name
    run = RunReference(
        mlflow_run_id=said_name(mlflow_run_id, "an MLflow run"),
        run_key=patch.header.run_key,
        report_content_sha256=patch.header.report_content_sha256,
    )
    with turn(root) as store:
        candidate = _candidate(store.files, patch)
        live, after = patch.header.base_sha256, head(store.files)
        who, why = name(requester, "a requester"), said(reason, "a reason")
        large = None if allow_large is None else said(allow_large, "a reason for a large change")
        request = PromotionRequest(
            id=request_id(patch.sha256, live, after, run, (who, why, large)),
            change_sha256=patch.sha256,
            base_sha256=live,
            after=after,
            run=run,
            origin=origin,
            requester=who,
            reason=why,
            created_at=created_at,
            changes=candidate.changes,
            patch=patch.text,
            allow_large=large,
        )
        return store.add_request(request)


def _candidate(files: RuntimeFiles, patch: SweepPatch) -> Candidate:
    ensure_for(patch.header, files.live_sha256(), files.live)
    return patched(files, patch.values)
