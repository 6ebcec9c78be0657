"""The null sweep: open, draw, measure, judge, summarize, publish, log. Composes tasks; computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefect import Task, flow
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.settings import temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

from invarlock import progress
from invarlock.calibration.null_plan import Cell, NullSweepPlan, PlannedModel, label_of, settle
from invarlock.calibration.null_request import CapRule, NullKind, NullSweepRequest
from invarlock.calibration.null_settings import NullSettings, read_settings
from invarlock.home import home
from invarlock.measure.models import pick_device
from invarlock.measure.sigma_max import CONVERGED
from invarlock.network import apply_network_switch
from invarlock.policy.schema import Tier
from invarlock.reports.null_sweep_folder import patch_sha256, sweep_files
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.null_sweep_result import Links, NullSweepResult, result_of
from invarlock.reports.sweep_folder import SweepFolder, claim
from invarlock.store.documents import Reference
from tasks.draw_edits import draw_edits
from tasks.draw_windows import draw_windows
from tasks.flow_lease import flow_lease
from tasks.judge_cell import judge_cell
from tasks.measure_variant import measure_variant
from tasks.open_model import open_model
from tasks.publish_null_sweep import publish_null_sweep
from tasks.resources import documents
from tasks.run_windows import run_windows
from tasks.show_sweep import flow_run_url, show_sweep
from tasks.summarize_tier import bound_drift, summarize_tier
from tasks.sweep_log import EXPERIMENT, finish_sweep, log_cell, sweep_logged
from tasks.tracking import RunHandle, Tracker
from tasks.work_clock import WorkClock

Future = PrefectFuture[Reference]


@dataclass(frozen=True)
class Submitted:
    """Tasks under way: a measurement for each variant; for each cell what its verdict needs and, last, the verdict."""

    variants: Sequence[Future]
    cells: Mapping[Cell, tuple[Future, ...]]


@dataclass(frozen=True)
class Judged:
    """What a sweep's tasks kept: a measurement for each variant of a model, a report for each cell."""

    variants: Sequence[Reference]
    reports: Mapping[Cell, Reference]

    def of(self, tier: Tier) -> tuple[Reference, ...]:
        """The reports of ``tier``."""
        return tuple(reference for cell, reference in self.reports.items() if cell.tier is tier)


def run_name() -> str:
    """What the flow run is called: the config and the profile."""
    request: NullSweepRequest = flow_run.parameters["request"]
    return f"{Path(request.config).stem} {request.profile}"


def run_null_sweep(request: NullSweepRequest) -> NullSweepResult:
    """Run :func:`null_sweep` in this process with ``request.jobs`` tasks at a time."""
    runner: ThreadPoolTaskRunner[Reference] = ThreadPoolTaskRunner(max_workers=request.jobs)
    # Without this every flow run waits a second at its end for a heartbeat thread.
    with temporary_settings({"flows.heartbeat_frequency": None}):
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
        return sweep(request)


def sweep(request: NullSweepRequest) -> NullSweepResult:
    """The steps of :func:`null_sweep`."""
    clock = WorkClock()
    settings = read_settings(request)
    plan = plan_sweep(request, settings)
    clock.lap("plan")
    with claim(request.out, plan.run_key, fresh=request.fresh) as folder:
        submitted = submit_cells(plan)
        tracker = Tracker(home(), EXPERIMENT)  # takes a moment; the first measurements are under way
        with sweep_logged(tracker, plan) as run:
            cells = collect_cells(submitted, plan, tracker, run)
            clock.lap("measure, judge and log runs")
            report = publish(folder, plan, cells, clock, run.run_id)
            run = finish_sweep(tracker, run, report, patch_sha256(folder.out), sweep_files(folder.out))
    links = Links(
        mlflow_run_id=run.run_id, mlflow_url=tracker.run_url(run.run_id), prefect_url=flow_run_url()
    )
    result = result_of(str(folder.out), plan, report, patch_sha256(folder.out), links)
    show_sweep(result)
    return result


def plan_sweep(request: NullSweepRequest, settings: NullSettings) -> NullSweepPlan:
    """Open every model, draw every schedule and edit, then settle what the sweep is."""
    models: list[PlannedModel] = []
    for reference in settings.references:
        models.append(plan_model(request, settings, reference, [model.label for model in models]))
    contract = settings.config.estimator or CONVERGED
    return settle(request, settings, models, device=pick_device(settings.device), contract=contract)


def plan_model(
    request: NullSweepRequest, settings: NullSettings, reference: str, taken: Sequence[str]
) -> PlannedModel:
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
    return PlannedModel(label=label_of(reference, taken), identity=identity, windows=windows, edits=edits)


def collect_cells(submitted: Submitted, plan: NullSweepPlan, tracker: Tracker, run: RunHandle) -> Judged:
    """Log each cell as soon as it is judged, while the next are measured."""
    progress.announce("runs", len(submitted.cells))
    reports: dict[Cell, Reference] = {}
    for cell, chain in submitted.cells.items():
        # In this order, so that a failure surfaces as itself and not as a verdict that could not start.
        *_, reports[cell] = (future.result() for future in chain)
        log_cell(tracker, run, plan, cell, reports[cell])
        progress.advance("runs")
    return Judged(variants=[variant.result() for variant in submitted.variants], reports=reports)


def submit_cells(plan: NullSweepPlan) -> Submitted:
    """Submit every measurement once and every cell's verdict upon them."""
    kept = documents().put(plan)
    variants: list[Future] = []
    cells: dict[Cell, tuple[Future, ...]] = {}
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
            for tier in plan.tiers:
                cell = Cell(model=model.label, tier=tier, seed=seed)
                verdict = submit(
                    judge_cell,
                    kept,
                    plan.run_key,
                    cell,
                    baseline=baseline,
                    subject=subject,
                    baseline_losses=baseline_losses,
                    losses=losses,
                )
                cells[cell] = (baseline, baseline_losses, subject, losses, verdict)
    return Submitted(variants, cells)


def submit(task: Task[..., Reference], *arguments: object, **named: object) -> Future:
    """Submit ``task``; a future among its arguments stands for its value."""
    return task.submit(*arguments, return_state=False, **named)


def publish(
    folder: SweepFolder, plan: NullSweepPlan, judged: Judged, clock: WorkClock, mlflow_run_id: str
) -> NullSweepReport:
    """Summarize every tier and put the results under their final name."""
    pool = tuple(model.identity.digest for model in plan.models)
    target = plan.target_any_warning_rate
    summaries = {
        tier: summarize_tier(
            tier.value, judged.of(tier), safety_margin=plan.safety_margin, target=target, pool=pool
        )
        for tier in plan.tiers
    }
    bounded = plan.cap_rule is CapRule.TOLERANCE
    drift = bound_drift(judged.of(plan.widest_tier), target=target) if bounded else None
    clock.lap("summarize")
    return publish_null_sweep(
        folder, plan, judged.variants, judged.reports, summaries, drift, clock.work(mlflow_run_id)
    )
