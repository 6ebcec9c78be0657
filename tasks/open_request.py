"""Open a request for the patch of a calibration run that MLflow knows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from invarlock.errors import PromotionError
from invarlock.home import home
from invarlock.promotion.request_promotion import request_promotion
from invarlock.promotion.requests import PromotionRequest
from tasks.run_evidence import run_of
from tasks.sweep_log import EXPERIMENT
from tasks.tracking import Tracker


def open_request(
    patch: Path, *, requester: str, reason: str, allow_large: str | None = None
) -> PromotionRequest:
    """The request to let ``patch``, a file, become policy; the one that is there when asked again in the same words.

    CheckFailed when no run made the patch; else raises as :func:`request_promotion`.
    """
    try:
        data = patch.read_bytes()
    except OSError as error:
        raise PromotionError(
            f"the patch cannot be read: {error.strerror}",
            where=patch,
            fix="name the file that the sweep wrote",
        ) from error
    return request_promotion(
        data,
        mlflow_run_id=run_of(Tracker(home(), EXPERIMENT), data),
        requester=requester,
        reason=reason,
        created_at=datetime.now(UTC),
        allow_large=allow_large,
    )
