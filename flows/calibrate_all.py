"""Seed 001's fast path as one flow: plan four sweeps, carry them out in turn, and combine what they recommend."""

from __future__ import annotations

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows import null_sweep, rmt_sweep, ve_sweep, window_plan
from flows.conduct import P, R, S, Steps, T, at_work, carry_out, run_here, run_name
from flows.on_time import on_time
from invarlock.calibration.full_plan import NULL, RMT, VE, WINDOWS, FullPlan
from invarlock.calibration.full_request import FullRequest
from invarlock.reports.full_result import FullResult, full_result
from invarlock.reports.sweep_folder import SweepFolder, claim
from invarlock.reports.sweep_result import Links
from tasks.artifacts import flow_run_url
from tasks.full_log import begin_full, finish_full
from tasks.propose_promotion import propose_promotion
from tasks.publish_full import publish_full
from tasks.show_full import show_full
from tasks.tracking_process import TrackingProcess
from tasks.work_clock import WorkClock


def run_calibrate_all(request: FullRequest) -> FullResult:
    """Run :func:`calibrate_all` in this process."""
    return run_here(calibrate_all, request)


@flow(
    name="calibrate-all",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]  # Prefect: invariant
    persist_result=False,
)
@on_time
def calibrate_all(request: FullRequest, propose: bool = False) -> FullResult:
    """Calibrate every guard of one baseline and plan its windows, into one patch and one page (design page 5).

    propose: where what it recommends is outside the tolerance band around the policy in force, ask for its promotion.
    """
    with at_work(request) as (clock, tracking):
        plan = plan_all(request)
        clock.lap("plan")
        with claim(request.out, plan.run_key, fresh=request.fresh) as folder:
            run = tracking.begin(begin_full, plan)
            carry_out_parts(plan, folder, clock, tracking)
            report = publish_full(folder, plan, clock.work(run.run_id))
            run = tracking.call(finish_full, run, report, folder.out)
        links = Links(mlflow_run_id=run.run_id, mlflow_url=tracking.page_of(run), prefect_url=flow_run_url())
        result = full_result(folder.out, plan, report, links)
        show_full(result)
        if propose:
            propose_promotion(result)
        return result


def plan_all(request: FullRequest) -> FullPlan:
    """Settle every part before any work, so that what is wrong with the last is known before the first is run."""
    return FullPlan(
        null_sweep=null_sweep.plan_sweep(request.null_sweep()),
        rmt_sweep=rmt_sweep.plan_sweep(request.rmt_sweep()),
        ve_sweep=ve_sweep.plan_sweep(request.ve_sweep()),
        window_plan=window_plan.plan_sizing(request.window_plan()),
    )


def carry_out_parts(plan: FullPlan, folder: SweepFolder, clock: WorkClock, tracking: TrackingProcess) -> None:
    """Each part into its folder below the results, one after another: what one measured, the next finds."""

    def part(name: str, settled: P, steps: Steps[P, R, S, T]) -> None:
        carry_out(settled, steps, WorkClock(), tracking, out=folder.staging / name)
        clock.lap(name)

    part(NULL, plan.null_sweep, null_sweep.STEPS)
    part(RMT, plan.rmt_sweep, rmt_sweep.STEPS)
    part(VE, plan.ve_sweep, ve_sweep.STEPS)
    part(WINDOWS, plan.window_plan, window_plan.STEPS)
