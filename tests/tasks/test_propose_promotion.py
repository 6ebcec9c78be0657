"""What a recalibration says when it comes too late, on a real calibration, MLflow store and Prefect server."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient
from prefect import flow

from invarlock.errors import CheckFailed
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.promotion.request_store import RequestStore
from invarlock.reports.null_sweep_result import NullSweepResult
from tasks.local_services import tracking_uri
from tasks.propose_promotion import TAG, propose_promotion


def test_a_policy_that_changed_during_the_calibration_is_left_to_the_next_one(
    calibrated: NullSweepResult, promotion_root: Path, embedded_home: Path
) -> None:
    tiers = live_tiers_path(promotion_root)
    tiers.write_text(tiers.read_text() + "# promoted meanwhile\n")

    @flow(name="recalibrates")
    def recalibrates() -> None:
        propose_promotion(calibrated)

    recalibrates()
    assert not RequestStore().files.promotions.exists()
    run = MlflowClient(tracking_uri(embedded_home)).get_run(calibrated.links.mlflow_run_id)
    assert "the policy changed during the calibration" in run.data.tags[TAG]


def test_any_other_refusal_ends_it(calibrated: NullSweepResult, promotion_root: Path, tmp_path: Path) -> None:
    edited = tmp_path / "patch.yaml"
    edited.write_text(Path(calibrated.patch).read_text() + "# edited\n")
    with pytest.raises(CheckFailed, match="the patch was edited after the run"):
        propose_promotion.fn(calibrated.model_copy(update={"patch": str(edited)}))
