"""The null sweep: open, draw, measure, judge, summarize, publish, log. Composes tasks; computes nothing."""

from __future__ import annotations

from collections.abc import Callable

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.conduct import (
    Future,
    Judged,
    SeedRuns,
    Steps,
    Submitted,
    conduct,
    run_name,
    submit,
    without_heartbeat,
)
from invarlock.calibration.null_plan import NullModel, NullSweepPlan
from invarlock.calibration.null_request import CapRule, NullKind, NullSweepRequest
from invarlock.calibration.sweep_plan import labelled
from invarlock.calibration.sweep_settings import SweepSettings, read_null_settings
from invarlock.home import home
from invarlock.measure.models import pick_device
from invarlock.measure.sigma_max import CONVERGED
from invarlock.network import apply_network_switch
from invarlock.reports.null_sweep_files import PATCH
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.null_sweep_result import NullSweepResult, null_result
from invarlock.reports.run_report import RunReport
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.store.documents import Reference
from tasks.draw_edits import draw_edits
from tasks.draw_windows import draw_windows
from tasks.flow_lease import flow_lease
from tasks.judge_null_runs import judge_null_runs
from tasks.measure_variant import measure_variant
from tasks.null_sweep_log import null_run_entry, null_sweep_entry, null_sweep_metrics
from tasks.open_model import open_model
from tasks.publish_null_sweep import publish_null_sweep
from tasks.resources import documents
from tasks.run_windows import run_windows
from tasks.show_null_sweep import show_null_sweep
from tasks.summarize_null import bound_drift, summarize_null
from tasks.work_clock import WorkClock


def run_null_sweep(request: NullSweepRequest) -> NullSweepResult:
    """Run :func:`null_sweep` in this process with ``request.jobs`` tasks at a time."""
    runner: ThreadPoolTaskRunner[Reference] = ThreadPoolTaskRunner(max_workers=request.jobs)
    with without_heartbeat():
        return null_sweep.with_options(task_runner=runner)(request)  # type: ignore[arg-type]  # Prefect: invariant


@flow(
    name="null-sweep",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]  # Prefect: invariant
    persist_result=False,
)
def null_sweep(request: NullSweepRequest) -> NullSweepResult:
    """Calibrate spectral kappa and alpha from null runs (seed 000); see ``invarlock calibrate null-sweep``."""
    apply_network_switch(request.allow_network)  # a worker's process has not been through the command line
    with flow_lease(home() / "flow_runs"):
        clock = WorkClock()
        plan = plan_sweep(request, read_null_settings(request))
        clock.lap("plan")
        done = conduct(request, plan, STEPS, clock)
        result = null_result(done.out, plan, done.report, done.links)
        show_null_sweep(result)
        return result


def plan_sweep(request: NullSweepRequest, settings: SweepSettings) -> NullSweepPlan:
    """Open every model, draw every schedule and edit, then settle what the sweep is."""
    models = [plan_model(request, settings, *named) for named in labelled(settings.references)]
    return NullSweepPlan.settle(
        request,
        settings,
        models,
        device=pick_device(settings.device),
        contract=settings.config.estimator or CONVERGED,
        null=request.null,
        cap_rule=request.cap_rule,
        target_any_warning_rate=request.target_any_warning_rate,
    )


def plan_model(request: NullSweepRequest, settings: SweepSettings, reference: str, label: str) -> NullModel:
    """One baseline: its digest, its windows and, for a benign null, its edits."""
    identity = open_model(reference, allow_network=request.allow_network, allow_pickle=request.allow_pickle)
    windows = draw_windows(
        identity.root,
        settings.config.dataset,
        seeds=request.seeds,
        preview=settings.preview,
        final=settings.final,
        allow_network=request.allow_network,
    )
    edits = (
        draw_edits(identity.root, identity.digest, request.seeds) if request.null is NullKind.BENIGN else {}
    )
    return NullModel(label=label, identity=identity, windows=windows, edits=edits)


def submit_runs(plan: NullSweepPlan) -> Submitted:
    """Submit every measurement once and every seed's verdicts upon them."""
    kept = documents().put(plan)
    variants: list[Future] = []
    runs: list[SeedRuns] = []
    for model in plan.models:
        baseline = submit(measure_variant, model.identity, None, plan.contract)
        variants.append(baseline)
        for seed, schedule in model.windows.schedules.items():
            measured = (plan.config.dataset, model.windows.tokenizer_hash, schedule, plan.arithmetic)
            baseline_losses = submit(run_windows, model.identity, baseline, None, *measured)
            subject, losses = baseline, baseline_losses
            if (edit := model.edits.get(seed)) is not None:
                subject = submit(measure_variant, model.identity, edit, plan.contract)
                losses = submit(run_windows, model.identity, subject, edit, *measured)
                variants.append(subject)
            verdicts = submit(
                judge_null_runs,
                kept,
                plan.run_key,
                model.label,
                seed,
                baseline=baseline,
                subject=subject,
                baseline_losses=baseline_losses,
                losses=losses,
            )
            needs = (baseline, baseline_losses, subject, losses)
            runs.append(SeedRuns(plan.cells_of(model.label, seed), needs, verdicts))
    return Submitted(variants, runs)


def publish(
    folder: SweepFolder, plan: NullSweepPlan, judged: Judged, work: Callable[[], Work]
) -> NullSweepReport:
    """Summarize every tier and put the results under their final name."""
    pool = tuple(model.identity.digest for model in plan.models)
    target = plan.target_any_warning_rate
    summaries = {
        tier: summarize_null(
            tier.value, judged.of(tier), safety_margin=plan.safety_margin, target=target, pool=pool
        )
        for tier in plan.tiers
    }
    bounded = plan.cap_rule is CapRule.TOLERANCE
    drift = bound_drift(judged.of(plan.widest_tier), target=target) if bounded else None
    return publish_null_sweep(folder, plan, judged.variants, judged.reports, summaries, drift, work())


STEPS = Steps(
    submit=submit_runs,
    publish=publish,
    run_report=RunReport,
    entry=null_sweep_entry,
    run_entry=null_run_entry,
    metrics=null_sweep_metrics,
    patch=PATCH,
)
