"""The RMT sweep: open, draw, run, judge, summarize, publish, log. Composes tasks; computes nothing."""

from __future__ import annotations

from collections.abc import Callable

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.conduct import Future, Judged, SeedRuns, Steps, Submitted, conduct, run_here, run_name, submit
from flows.null_models import plan_null_models
from flows.on_time import on_time
from invarlock.calibration.null_plan import NullModel
from invarlock.calibration.rmt_plan import RmtSweepPlan
from invarlock.calibration.rmt_request import RmtNull, RmtSweepRequest
from invarlock.calibration.sweep_settings import read_null_settings
from invarlock.data.schedule import Schedule
from invarlock.measure.edge_records import WINDOWS
from invarlock.measure.models import pick_device
from invarlock.measure.sigma_max import CONVERGED
from invarlock.reports.rmt_run_report import RmtRunReport
from invarlock.reports.rmt_sweep_files import PATCH
from invarlock.reports.rmt_sweep_report import RmtSweepReport
from invarlock.reports.rmt_sweep_result import RmtSweepResult, rmt_result
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.store.documents import Reference
from tasks.judge_rmt_runs import judge_rmt_runs
from tasks.measure_variant import measure_variant
from tasks.propose_promotion import propose_promotion
from tasks.publish_rmt_sweep import publish_rmt_sweep
from tasks.resources import documents
from tasks.rmt_sweep_log import rmt_run_entry, rmt_sweep_entry, rmt_sweep_metrics
from tasks.run_edges import run_edges
from tasks.show_rmt_sweep import show_rmt_sweep
from tasks.summarize_rmt import summarize_rmt


def run_rmt_sweep(request: RmtSweepRequest) -> RmtSweepResult:
    """Run :func:`rmt_sweep` in this process."""
    return run_here(rmt_sweep, request)


@flow(
    name="rmt-sweep",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]  # Prefect: invariant
    persist_result=False,
)
@on_time
def rmt_sweep(request: RmtSweepRequest, propose: bool = False) -> RmtSweepResult:
    """Calibrate the RMT guard's epsilon from null runs; see ``invarlock calibrate rmt-sweep``.

    propose: where what it recommends is outside the tolerance band around the policy in force, ask for its promotion.
    """
    result = conduct(request, plan_sweep, STEPS)
    if propose:
        propose_promotion(result)
    return result


def plan_sweep(request: RmtSweepRequest) -> RmtSweepPlan:
    """Open every model, draw every schedule and edit, then settle what the sweep is."""
    settings = read_null_settings(request)
    benign = request.null is RmtNull.BENIGN
    return RmtSweepPlan.settle(
        request,
        settings,
        plan_null_models(request, settings, benign=benign),
        device=pick_device(settings.device),
        contract=settings.config.estimator or CONVERGED,
        null=request.null,
        quantile=request.quantile,
        windows=WINDOWS,
    )


def submit_runs(plan: RmtSweepPlan) -> Submitted:
    """Submit every measurement once and every seed's verdicts upon them."""
    kept = documents().put(plan)
    variants: list[Future] = []
    runs: list[SeedRuns] = []
    for model in plan.models:
        baseline = submit(measure_variant, model.identity, None, plan.contract)
        variants.append(baseline)
        for schedule in model.windows.schedules.values():
            subject, seed_runs = submit_seed(plan, kept, model, baseline, schedule)
            runs.append(seed_runs)
            if subject is not baseline:
                variants.append(subject)
    return Submitted(variants, runs)


def submit_seed(
    plan: RmtSweepPlan, kept: Reference, model: NullModel, baseline: Future, schedule: Schedule
) -> tuple[Future, SeedRuns]:
    """The weights that one seed's cells look at, and everything that they need, with their verdicts."""
    where = (plan.config.dataset, model.windows.tokenizer_hash, schedule)
    how = (plan.arithmetic, plan.contract)
    sets, edit, subject = plan.sets_of(schedule), model.edits.get(schedule.seed), baseline
    if edit is not None:
        subject = submit(measure_variant, model.identity, edit, plan.contract)
    baseline_edges = submit(run_edges, model.identity, baseline, None, *where, sets.baseline, *how)
    edges = submit(run_edges, model.identity, subject, edit, *where, sets.current, *how)
    verdicts = submit(
        judge_rmt_runs,
        kept,
        plan.run_key,
        model.label,
        schedule.seed,
        baseline=baseline,
        subject=subject,
        baseline_edges=baseline_edges,
        edges=edges,
    )
    needs = (baseline, subject, baseline_edges, edges)
    return subject, SeedRuns(plan.cells_of(model.label, schedule.seed), needs, verdicts)


def publish(
    folder: SweepFolder, plan: RmtSweepPlan, judged: Judged, work: Callable[[], Work]
) -> RmtSweepReport:
    """Summarize every tier and put the results under their final name."""
    pool = tuple(model.identity.digest for model in plan.models)
    summaries = {
        tier: summarize_rmt(
            tier.value,
            judged.of(tier),
            quantile=plan.quantile,
            safety_margin=plan.safety_margin,
            pool=pool,
        )
        for tier in plan.tiers
    }
    return publish_rmt_sweep(folder, plan, judged.variants, judged.reports, summaries, work())


STEPS = Steps(
    submit=submit_runs,
    publish=publish,
    run_report=RmtRunReport,
    entry=rmt_sweep_entry,
    run_entry=rmt_run_entry,
    metrics=rmt_sweep_metrics,
    patch=PATCH,
    result=rmt_result,
    show=show_rmt_sweep,
)
