"""The tau sweep: settle, sweep and recommend, publish, log. Computes nothing."""

from __future__ import annotations

from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from flows.conduct import without_heartbeat
from flows.on_time import on_time
from invarlock import progress
from invarlock.calibration.tau_plan import settle_tau_sweep
from invarlock.calibration.tau_records import TauFindings
from invarlock.calibration.tau_request import TauSweepRequest
from invarlock.home import home
from invarlock.reports.sweep_folder import claim
from invarlock.reports.sweep_result import Links
from invarlock.reports.sweep_results import sweep_files
from invarlock.reports.tau_sweep_files import PATCH
from invarlock.reports.tau_sweep_result import TauSweepResult, tau_sweep_result
from tasks.artifacts import flow_run_url
from tasks.calibrate_tau import calibrate_tau
from tasks.flow_lease import flow_lease
from tasks.propose_promotion import propose_promotion
from tasks.publish_tau_sweep import publish_tau_sweep
from tasks.resources import read_record
from tasks.show_tau_sweep import show_tau_sweep
from tasks.sweep_log import EXPERIMENT, finish_sweep
from tasks.tau_sweep_log import tau_sweep_logged, tau_sweep_metrics
from tasks.tracking import Tracker
from tasks.work_clock import WorkClock


def run_tau_sweep(request: TauSweepRequest) -> TauSweepResult:
    """Run :func:`tau_sweep` in this process."""
    with without_heartbeat():
        return tau_sweep(request)


def run_name() -> str:
    """What a flow run is called: the head and the file of |Q|."""
    request: TauSweepRequest = flow_run.parameters["request"]
    return f"{request.head} {Path(request.q_abs).name}"


@flow(name="tau-sweep", flow_run_name=run_name, persist_result=False)
@on_time
def tau_sweep(request: TauSweepRequest, propose: bool = False) -> TauSweepResult:
    """Sweep tau_infer over |Q| and recommend one (design page 7); see ``invarlock calibrate tau-sweep``.

    propose: where what it recommends is outside the tolerance band around the policy in force, ask for its promotion.
    """
    with flow_lease(home() / "flow_runs"):
        clock = WorkClock()
        settled = settle_tau_sweep(request)
        plan = settled.plan
        clock.lap("plan")
        progress.announce("steps", 3)
        with claim(request.out, plan.run_key, fresh=request.fresh) as folder:
            tracker = Tracker(home(), EXPERIMENT)
            with tau_sweep_logged(tracker, plan) as run:
                found = read_record(calibrate_tau(plan.options.question, settled.files), TauFindings)
                clock.lap("sweep and recommend")
                progress.advance("steps")
                report = publish_tau_sweep(folder, plan, found, clock.work(run.run_id))
                progress.advance("steps")
                patch = folder.out / PATCH if report.record else None
                metrics = tau_sweep_metrics(report)
                run = finish_sweep(tracker, run, report, patch, metrics, sweep_files(folder.out))
                progress.advance("steps")
        links = Links(
            mlflow_run_id=run.run_id, mlflow_url=tracker.run_url(run.run_id), prefect_url=flow_run_url()
        )
        result = tau_sweep_result(folder.out, report, found, links)
        show_tau_sweep(result)
        if propose and result.with_patch is not None:
            propose_promotion(result.with_patch)
        return result
