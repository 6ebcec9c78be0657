"""A config root of a test's own, and the way of a patch through it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from invarlock.home import shipped
from invarlock.policy.tiers_file import live_tiers_path, tiers_digest
from invarlock.promotion.apply import apply_request
from invarlock.promotion.approval import draft_approval
from invarlock.promotion.approval_record import Approval
from invarlock.promotion.backtest import BackTest
from invarlock.promotion.candidate import PATCH
from invarlock.promotion.checked import Checked, keep_checks, last_checked
from invarlock.promotion.history import HistoryEntry
from invarlock.promotion.policy_checks import PolicyCheck
from invarlock.promotion.promotion_config import PromotionConfig
from invarlock.promotion.request_promotion import request_promotion
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Origin, PromotionRequest, Request, Step
from invarlock.promotion.rollback import request_rollback
from invarlock.promotion.steps import record_step
from invarlock.promotion.sweep_patch import parse_sweep_patch
from invarlock.promotion.turn import Reached, unobserved
from invarlock.provenance import CodeVersion
from invarlock.reports.sweep_files import patch_text
from invarlock.reports.sweep_report import (
    DistinctMeasurements,
    Provenance,
    SweepOptions,
    SweepReport,
    Work,
)
from tests.promotion.patches import Values, patch_yaml

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
CONFIG = PromotionConfig()
PASSED = PolicyCheck(name="valid policy", passed=True, reason="the result passes the schema")

# Small, so that a test which reads it many times stays short.
SMALL = """\
# Ours.
balanced:
  rmt_guard:
    epsilon_by_family:   # accepted
      ffn: 0.01          # of ffn
      other: 0.01
conservative:
  variance_guard:
    min_effect_lognll: 0.016
"""


def small_root(folder: Path) -> Path:
    """A config root with a few keys."""
    live_tiers_path(folder).parent.mkdir(parents=True)
    live_tiers_path(folder).write_text(SMALL)
    return folder


def embedded_root(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """:func:`small_root`, where commands find it, with a home beside it and no server named."""
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INVARLOCK_HOME", str(folder.with_name("home")))
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(folder))
    return small_root(folder)


def shipped_root(folder: Path) -> Path:
    """A config root with the shipped tiers file."""
    live_tiers_path(folder).parent.mkdir(parents=True)
    shutil.copyfile(shipped("configs/runtime/tiers.yaml"), live_tiers_path(folder))
    return folder


def epsilon(value: float) -> Values:
    """A patch of one key, which both config roots have."""
    return {"balanced": {"rmt_guard": {"epsilon_by_family": {"ffn": value}}}}


def report(tiers_sha256: str) -> SweepReport:
    """A sweep's report, of which a patch names the hashes."""
    return SweepReport(
        kind="null",
        generated_at="2026-01-05T11:00:00+00:00",
        config=SweepOptions(
            base_config="sweep.yaml",
            config_sha256="c" * 64,
            basis="demo",
            profile="ci",
            tiers=("balanced",),
            seeds=(1,),
            models=("m",),
            n_runs=1,
            safety_margin=0.05,
        ),
        measurements=DistinctMeasurements(
            window_losses=0, window_losses_run_by_run=0, tensor_statistics=0, drifts=0, model_digests=0
        ),
        provenance=Provenance(
            run_key="a" * 64,
            models={},
            datasets={},
            schedules={},
            policies={},
            tiers_sha256=tiers_sha256,
            estimator_contract="1",
            code=CodeVersion(version="1", sha256="d" * 64, python="3", packages={}),
        ),
        volatile=Work(
            measured={},
            found={},
            forward_passes=0.0,
            quarantined=(),
            seconds={},
            host="here",
            commit=None,
            mlflow_run_id="run",
        ),
    )


def header(root: Path) -> str:
    """The header of a patch for the policy in force under ``root``."""
    text = patch_text("rmt_guard", report(tiers_digest(live_tiers_path(root))), "report.json", [], {})
    return "".join(f"{line}\n" for line in text.splitlines() if line.startswith("#"))


def sweep_patch(root: Path, values: Values) -> bytes:
    """A patch for the policy in force under ``root``, as a sweep writes it."""
    return (header(root) + patch_yaml(values)).encode()


def requested(
    root: Path, values: Values, *, requester: str = "ann", origin: Origin = Origin.PERSON
) -> PromotionRequest:
    """A kept request of a patch with ``values``."""
    return request_promotion(
        parse_sweep_patch(sweep_patch(root, values), PATCH),
        mlflow_run_id="run-1",
        requester=requester,
        reason="recalibrated",
        created_at=NOON,
        origin=origin,
        root=root,
    )


def checked(root: Path, request: Request) -> Checked:
    """Kept checks of ``request`` that passed."""
    return keep_checks(request, (), [PASSED], BackTest(evaluations=()), by="flow", at=NOON, root=root)


def approved(root: Path, request: Request, *, by: str = "bea") -> Approval:
    """A kept approval of ``request``, checked before, whether it would count or not."""
    at = NOON + timedelta(hours=1)
    approval = draft_approval(
        request, checked(root, request), by=by, reason="looks right", at=at, config=CONFIG
    )
    record_step(Step.APPROVED, approval, root=root)
    return approval


def apply_kept(root: Path, request: Request, reached: Reached = unobserved) -> HistoryEntry:
    """``request``, applied with what is kept of its checks and approvals."""
    found = last_checked(RequestStore(root), request.id)
    now = NOON + timedelta(hours=2)
    return apply_request(request.id, found, CONFIG, by="cleo", now=now, root=root, reached=reached)


def apply(root: Path, request: Request) -> HistoryEntry:
    """``request``, approved and applied."""
    approved(root, request)
    return apply_kept(root, request)


def promoted(root: Path, values: Values) -> HistoryEntry:
    """A patch with ``values``, requested, approved and applied."""
    return apply(root, requested(root, values))


def rolled_back(root: Path, to_sha256: str) -> HistoryEntry:
    """An earlier version, requested, approved and applied."""
    request = request_rollback(to_sha256, requester="ann", reason="too loose", created_at=NOON, root=root)
    return apply(root, request)
