"""The window plan: open, plan the edit, draw, run both models, plan by tier, time, publish, log. Computes nothing."""

from __future__ import annotations

import platform
from collections.abc import Callable

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.conduct import Judged, SeedRuns, Steps, Submitted, conduct, run_here, run_name, submit
from flows.on_time import on_time
from invarlock.calibration.sweep_plan import labelled
from invarlock.calibration.window_plan_request import WindowPlanRequest
from invarlock.calibration.window_settings import WindowSettings, read_window_settings
from invarlock.calibration.window_sizing import WindowModel, WindowSizing
from invarlock.data.drawing import DrawnWindows
from invarlock.measure.models import pick_device
from invarlock.measure.records import ModelIdentity
from invarlock.measure.sigma_max import CONVERGED
from invarlock.reports.sweep_folder import SweepFolder
from invarlock.reports.sweep_report import Work
from invarlock.reports.window_plan_report import WindowPlanReport
from invarlock.reports.window_plan_result import WindowPlanResult, window_plan_result
from invarlock.reports.window_run_report import WindowRunReport
from tasks.draw_first_windows import draw_first_windows
from tasks.draw_windows import draw_windows
from tasks.measure_variant import measure_variant
from tasks.open_model import open_model
from tasks.plan_live_edit import plan_live_edit
from tasks.plan_tier_windows import plan_tier_windows
from tasks.publish_window_plan import publish_window_plan
from tasks.resources import documents
from tasks.run_windows import run_windows
from tasks.show_window_plan import show_window_plan
from tasks.time_windows import time_windows
from tasks.window_plan_log import window_plan_entry, window_plan_metrics, window_run_entry


def run_window_plan(request: WindowPlanRequest) -> WindowPlanResult:
    """Run :func:`window_plan` in this process."""
    return run_here(window_plan, request)


@flow(
    name="window-plan",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]  # Prefect: invariant
    persist_result=False,
)
@on_time
def window_plan(request: WindowPlanRequest) -> WindowPlanResult:
    """How many windows evaluations need, from a baseline and an edit of it (seed 001, design page 5)."""
    return conduct(request, plan_sizing, STEPS)


def plan_sizing(request: WindowPlanRequest) -> WindowSizing:
    """Open the model, plan the edit and draw the windows, then settle what the plan rests on."""
    settings = read_window_settings(request)
    sweep = settings.sweep
    ((reference, label),) = labelled(sweep.references)
    identity = open_model(reference, allow_network=request.allow_network, allow_pickle=request.allow_pickle)
    model = WindowModel(
        label=label,
        identity=identity,
        edit=plan_live_edit(identity.root, sweep.config.edit, config=sweep.inputs[0].name),
        windows=draw(request, settings, identity),
    )
    return WindowSizing.settle(
        request,
        sweep,
        [model],
        device=pick_device(sweep.device),
        contract=sweep.config.estimator or CONVERGED,
        target_half_width=request.target_half_width,
        profiles=settings.profiles,
        replicates=settings.replicates,
    )


def draw(request: WindowPlanRequest, settings: WindowSettings, model: ModelIdentity) -> DrawnWindows:
    """The windows of the pair: those asked for, or as many as the largest profile has, where there are as many."""
    dataset, (seed,) = settings.sweep.config.dataset, request.seeds
    if request.windows is None:
        return draw_first_windows(
            model.root,
            dataset,
            seed=seed,
            most=max(settings.profiles.values()),
            allow_network=request.allow_network,
        )
    return draw_windows(
        model.root,
        dataset,
        seeds=(seed,),
        preview=0,
        final=request.windows,
        allow_network=request.allow_network,
    )


def submit_pair(sizing: WindowSizing) -> Submitted:
    """Submit both models' measurements, and the plans upon them."""
    model, seed = sizing.model, sizing.seeds[0]
    run_on = (
        sizing.config.dataset,
        model.windows.tokenizer_hash,
        model.windows.schedules[seed],
        sizing.arithmetic,
    )
    baseline = submit(measure_variant, model.identity, None, sizing.contract)
    edited = submit(measure_variant, model.identity, model.edit, sizing.contract)
    baseline_losses = submit(run_windows, model.identity, baseline, None, *run_on)
    edited_losses = submit(run_windows, model.identity, edited, model.edit, *run_on)
    plans = submit(
        plan_tier_windows,
        documents().put(sizing),
        sizing.run_key,
        baseline=baseline,
        edited=edited,
        baseline_losses=baseline_losses,
        edited_losses=edited_losses,
    )
    needs = (baseline, edited, baseline_losses, edited_losses)
    return Submitted([baseline, edited], [SeedRuns(sizing.cells_of(model.label, seed), needs, plans)])


def publish(
    folder: SweepFolder, sizing: WindowSizing, judged: Judged, work: Callable[[], Work]
) -> WindowPlanReport:
    """Time a window while nothing else runs, and put the results under their final name."""
    model = sizing.model
    timing = time_windows(
        model.identity,
        judged.variants[0],
        sizing.config.dataset,
        model.windows.tokenizer_hash,
        model.windows.schedules[sizing.seeds[0]],
        sizing.arithmetic,
        host=platform.node(),
    )
    return publish_window_plan(folder, sizing, judged.variants, judged.reports, timing, work())


STEPS = Steps(
    submit=submit_pair,
    publish=publish,
    run_report=WindowRunReport,
    entry=window_plan_entry,
    run_entry=window_run_entry,
    metrics=window_plan_metrics,
    patch=None,
    result=window_plan_result,
    show=show_window_plan,
)
