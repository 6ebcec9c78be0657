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
    run_here,
    run_name,
    submit,
)
from flows.null_models import plan_null_models
from flows.on_time import on_time
from invarlock.calibration.null_plan import NullSweepPlan
from invarlock.calibration.null_request import CapRule, NullKind, NullSweepRequest
from invarlock.calibration.sweep_settings import read_null_settings
from invarlock.measure.models import pick_device
from invarlock.measure.sigma_max import CONVERGED
from invarlock.reports.null_sweep_files import PATCH
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.null_sweep_result import NullSweepResult, null_result
from invarlock.reports.run_report import RunReport
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from tasks.judge_null_runs import judge_null_runs
from tasks.measure_variant import measure_variant
from tasks.null_sweep_log import null_run_entry, null_sweep_entry, null_sweep_metrics
from tasks.propose_promotion import propose_promotion
from tasks.publish_null_sweep import publish_null_sweep
from tasks.resources import documents
from tasks.run_windows import run_windows
from tasks.show_null_sweep import show_null_sweep
from tasks.summarize_null import bound_drift, summarize_null


def run_null_sweep(request: NullSweepRequest) -> NullSweepResult:
    """Run :func:`null_sweep` in this process."""
    return run_here(null_sweep, request)


@flow(
    name="null-sweep",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]  # Prefect: invariant
    persist_result=False,
)
@on_time
def null_sweep(request: NullSweepRequest, propose: bool = False) -> NullSweepResult:
    """Calibrate spectral kappa and alpha from null runs (seed 000); see ``invarlock calibrate null-sweep``.

    propose: where what it recommends is outside the tolerance band around the policy in force, ask for its promotion.
    """
    result = conduct(request, plan_sweep, STEPS)
    if propose:
        propose_promotion(result)
    return result


def plan_sweep(request: NullSweepRequest) -> NullSweepPlan:
    """Open every model, draw every schedule and edit, then settle what the sweep is."""
    settings = read_null_settings(request)
    benign = request.null is NullKind.BENIGN
    return NullSweepPlan.settle(
        request,
        settings,
        plan_null_models(request, settings, benign=benign),
        device=pick_device(settings.device),
        contract=settings.config.estimator or CONVERGED,
        null=request.null,
        cap_rule=request.cap_rule,
        target_any_warning_rate=request.target_any_warning_rate,
    )


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
    result=null_result,
    show=show_null_sweep,
)
