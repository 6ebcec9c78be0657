"""Open a request for the patch of a calibration run that MLflow knows."""

from __future__ import annotations

from datetime import UTC, datetime

from invarlock.home import home
from invarlock.promotion.request_promotion import request_promotion
from invarlock.promotion.requests import Origin, PromotionRequest
from invarlock.promotion.sweep_patch import SweepPatch
from tasks.run_evidence import run_of
from tasks.sweep_log import EXPERIMENT
from tasks.tracking import Tracker


def open_request(
    patch: SweepPatch,
    *,
    requester: str,
    reason: str,
    allow_large: str | None = None,
    origin: Origin = Origin.PERSON,
) -> PromotionRequest:
    """The request to let ``patch`` become policy; the one that is there when asked again in the same words.

    CheckFailed when no run made the patch; else raises as :func:`request_promotion`.
    """
    return request_promotion(
        patch,
        mlflow_run_id=run_of(Tracker(home(), EXPERIMENT), patch),
        requester=requester,
        reason=reason,
        created_at=datetime.now(UTC),
        allow_large=allow_large,
        origin=origin,
    )
