"""The VE sweep: open, run branches, propose scales, test them virtually, judge, publish, log. Computes nothing."""

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
from flows.on_time import on_time
from invarlock.calibration.sweep_plan import labelled
from invarlock.calibration.sweep_settings import SweepSettings, read_ve_settings
from invarlock.calibration.ve_plan import VeModel, VeSweepPlan, require_taps
from invarlock.calibration.ve_request import VeSweepRequest
from invarlock.data.schedule import Schedule
from invarlock.measure.models import pick_device
from invarlock.measure.sigma_max import CONVERGED
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.reports.ve_run_report import VeRunReport
from invarlock.reports.ve_sweep_files import PATCH
from invarlock.reports.ve_sweep_report import VeSweepReport
from invarlock.reports.ve_sweep_result import VeSweepResult, ve_result
from invarlock.store.documents import Reference
from tasks.draw_windows import draw_windows
from tasks.judge_ve_runs import judge_ve_runs
from tasks.measure_variant import measure_variant
from tasks.open_model import open_model
from tasks.plan_edit import plan_edit
from tasks.propose_promotion import propose_promotion
from tasks.propose_scales import propose_scales
from tasks.publish_ve_sweep import publish_ve_sweep
from tasks.resources import documents
from tasks.run_branches import run_branches
from tasks.run_scaled import run_scaled
from tasks.show_ve_sweep import show_ve_sweep
from tasks.summarize_ve import summarize_ve
from tasks.ve_sweep_log import ve_run_entry, ve_sweep_entry, ve_sweep_metrics


def run_ve_sweep(request: VeSweepRequest) -> VeSweepResult:
    """Run :func:`ve_sweep` in this process."""
    return run_here(ve_sweep, request)


@flow(
    name="ve-sweep",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]  # Prefect: invariant
    persist_result=False,
)
@on_time
def ve_sweep(request: VeSweepRequest, propose: bool = False) -> VeSweepResult:
    """Calibrate the variance guard's min_effect_lognll on an edited model (seed 000, seed 003).

    propose: where what it recommends is outside the tolerance band around the policy in force, ask for its promotion.
    """
    result = conduct(request, plan_sweep, STEPS)
    if propose:
        propose_promotion(result)
    return result


def plan_sweep(request: VeSweepRequest) -> VeSweepPlan:
    """Open every model, plan the edit and draw every schedule, then settle what the sweep is."""
    settings = read_ve_settings(request)
    models = [plan_model(request, settings, *named) for named in labelled(settings.references)]
    return VeSweepPlan.settle(
        request,
        settings,
        models,
        device=pick_device(settings.device),
        contract=settings.config.estimator or CONVERGED,
        windows=request.windows,
        target_enable_rate=request.target_enable_rate,
        rule=request.rule,
    )


def plan_model(request: VeSweepRequest, settings: SweepSettings, reference: str, label: str) -> VeModel:
    """One baseline: its digest, the edit, where scales may attach, and its windows."""
    identity = open_model(reference, allow_network=request.allow_network, allow_pickle=request.allow_pickle)
    planned = plan_edit(identity.root, settings.config.edit, config=settings.inputs[0].name)
    require_taps(planned.edited, settings.policies)
    windows = draw_windows(
        identity.root,
        settings.config.dataset,
        seeds=request.seeds,
        preview=settings.preview,
        final=settings.final,
        calibration=max(request.windows),
        allow_network=request.allow_network,
    )
    return VeModel(
        label=label,
        identity=identity,
        windows=windows,
        edit=planned.edit,
        taps=planned.taps,
        edited=planned.edited,
    )


def submit_runs(plan: VeSweepPlan) -> Submitted:
    """Submit every measurement once and every seed's verdicts upon them."""
    kept = documents().put(plan)
    variants: list[Future] = []
    runs: list[SeedRuns] = []
    for model in plan.models:
        baseline = submit(measure_variant, model.identity, None, plan.contract)
        edited = submit(measure_variant, model.identity, model.edit, plan.contract)
        variants += [baseline, edited]
        runs += [
            submit_seed(plan, kept, model, baseline, edited, schedule)
            for schedule in model.windows.schedules.values()
        ]
    return Submitted(variants, runs)


def submit_seed(
    plan: VeSweepPlan, kept: Reference, model: VeModel, baseline: Future, edited: Future, schedule: Schedule
) -> SeedRuns:
    """Everything that the cells of one seed need, and their verdicts."""
    run_on = (plan.config.dataset, model.windows.tokenizer_hash, schedule, plan.arithmetic)
    seed = schedule.seed
    branches = submit(run_branches, model.identity, baseline, None, model.taps, *run_on)
    edited_branches = submit(run_branches, model.identity, edited, model.edit, model.taps, *run_on)
    proposals = submit(
        propose_scales, kept, plan.run_key, model.label, seed, baseline=branches, edited=edited_branches
    )
    scaled = submit(run_scaled, model.identity, edited, model.edit, proposals, *run_on)
    verdicts = submit(
        judge_ve_runs,
        kept,
        plan.run_key,
        model.label,
        seed,
        baseline=baseline,
        edited=edited,
        baseline_branches=branches,
        edited_branches=edited_branches,
        proposals=proposals,
        scaled=scaled,
    )
    needs = (baseline, edited, branches, edited_branches, proposals, scaled)
    return SeedRuns(plan.cells_of(model.label, seed), needs, verdicts)


def publish(
    folder: SweepFolder, plan: VeSweepPlan, judged: Judged, work: Callable[[], Work]
) -> VeSweepReport:
    """Summarize every tier and put the results under their final name."""
    pool = tuple(model.identity.digest for model in plan.models)
    summaries = {
        tier: summarize_ve(
            tier.value,
            judged.of(tier),
            target=plan.target_enable_rate,
            safety_margin=plan.safety_margin,
            one_sided=plan.policies[tier].policy.variance.predictive_one_sided,
            rule=plan.rule,
            pool=pool,
        )
        for tier in plan.tiers
    }
    return publish_ve_sweep(folder, plan, judged.variants, judged.reports, summaries, work())


STEPS = Steps(
    submit=submit_runs,
    publish=publish,
    run_report=VeRunReport,
    entry=ve_sweep_entry,
    run_entry=ve_run_entry,
    metrics=ve_sweep_metrics,
    patch=PATCH,
    result=ve_result,
    show=show_ve_sweep,
)
