"""A full calibration in MLflow: one run over those of its parts, with the combined patch and the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invarlock.calibration.full_plan import FullPlan
from invarlock.policy.diff import Direction
from invarlock.reports.full_files import PATCH
from invarlock.reports.full_report import FullReport
from invarlock.reports.sweep_results import sweep_files
from tasks.sweep_log import finish_sweep, log_inputs
from tasks.tracking_records import RunHandle

if TYPE_CHECKING:
    from tasks.tracking import Tracker

KIND = "calibration"


def begin_full(tracker: Tracker, plan: FullPlan) -> RunHandle:
    """The run of ``plan``, linked to its model and its text; FAILED when that cannot be done."""
    settled = plan.ve_sweep
    name = f"{KIND} {settled.models[0].label} {settled.profile} {len(settled.tiers)}x{len(settled.seeds)}"
    params = {
        "kind": KIND,
        "run_key": plan.run_key,
        "profile": settled.profile,
        "tiers": " ".join(tier.value for tier in settled.tiers),
        "seeds": " ".join(map(str, settled.seeds)),
        "config_sha256": settled.config_input.sha256,
        "tiers_sha256": settled.tiers_input.sha256,
        "code_sha256": settled.code.sha256,
        **{f"run_key.{part}": each.run_key for part, each in plan.parts.items()},
    }
    tags = {"invarlock.kind": KIND, "invarlock.model_digest": settled.models[0].identity.digest}
    run = tracker.sweep_run(plan.run_key, name, params, tags)
    with tracker.failing(run):
        log_inputs(tracker, run, settled)
    return run


def finish_full(tracker: Tracker, run: RunHandle, report: FullReport, out: Path) -> RunHandle:
    """Log what was found and all files but reports of cells, which the parts' runs have, and end the run."""
    changes = report.recommendations
    metrics = {
        "changes": float(len(changes)),
        "loosening": float(sum(change.direction is Direction.LOOSENING for change in changes)),
        "tightening": float(sum(change.direction is Direction.TIGHTENING for change in changes)),
        "unsupported": float(sum(not change.supported for change in changes)),
    }
    files = {name: path for name, path in sweep_files(out).items() if "/runs/" not in name}
    return finish_sweep(tracker, run, report, out / PATCH, metrics, files)
