"""``invarlock calibrate window-plan``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invarlock.calibration.runner import Runner
from invarlock.calibration.sweep_settings import SweepSettings
from invarlock.calibration.window_plan_records import TARGET_HALF_WIDTH
from invarlock.calibration.window_plan_request import WindowPlanRequest
from invarlock.calibration.window_settings import read_window_settings
from invarlock.cli.sweep_options import (
    DECIDE,
    WHAT,
    AllowNetwork,
    AllowPickle,
    AsJson,
    DaskAddress,
    Device,
    Fresh,
    Jobs,
    Out,
    Profile,
    Quiet,
    Tiers,
    WhichRunner,
    carry_out,
    make_request,
)
from invarlock.policy.variance import FEWEST_WINDOWS

if TYPE_CHECKING:
    from invarlock.checkpoints.checkpoint import Checkpoint
    from invarlock.reports.window_plan_result import WindowPlanResult


def window_plan(
    config: Annotated[
        Path,
        typer.Option(
            help="YAML with a baseline and an edit of it (as for the VE sweep).", rich_help_panel=WHAT
        ),
    ] = Path("configs/calibration/rmt_ve_sweep_ci.yaml"),
    out: Out = Path("reports/calibration/window_plan"),
    tier: Tiers = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the schedule that windows are drawn by.", rich_help_panel=WHAT)
    ] = 42,
    windows: Annotated[
        int | None,
        typer.Option(
            min=FEWEST_WINDOWS,
            help="Windows to compare the two models on. Default: as many as the largest profile has, or all there are.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    profile: Profile = "ci",
    device: Device = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Baseline instead of the config's: folder, hub id or bundled:NAME.", rich_help_panel=WHAT
        ),
    ] = None,
    target_half_width: Annotated[
        float,
        typer.Option(
            min=0,
            help="Half-width of the interval of mean delta log NLL to plan for, nats per token.",
            rich_help_panel=DECIDE,
        ),
    ] = TARGET_HALF_WIDTH,
    safety_margin: Annotated[
        float,
        typer.Option(
            min=0,
            help="Margin on the windows needed: half of all samples are wider than planned.",
            rich_help_panel=DECIDE,
        ),
    ] = 0.0,
    jobs: Jobs = 1,
    runner: WhichRunner = Runner.LOCAL,
    dask_address: DaskAddress = None,
    fresh: Fresh = False,
    allow_network: AllowNetwork = False,
    allow_pickle: AllowPickle = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Plan how many windows an evaluation needs.

    Runs the baseline and the config's edit of it on the same windows, and from their differences gives the half-width
    z sigma / sqrt(n) at several n, the bootstrap's beside it, the fewest windows that meet the target, the knee, and
    what each run profile gives. Window counts are set by profiles, not by tiers.yaml: there is no patch.

    Example:  invarlock calibrate window-plan --config configs/calibration/ve_sweep_demo.yaml --tier balanced

    The default config needs GPT-2 from the hub (--allow-network); the demo config above needs nothing.

    Writes window_plan_report.json, window_plan.csv, window_plan_summary.md, runs/<tier>/seed_<s>/report.json,
    configs/, plots/ and manifest.json.
    """
    request = make_request(
        WindowPlanRequest,
        "window-plan",
        config=config,
        out=out,
        tier=tier,
        seed=[seed],
        n_seeds=1,
        seed_start=seed,
        windows=windows,
        profile=profile,
        device=device,
        target_half_width=target_half_width,
        safety_margin=safety_margin,
        model=[model] if model else None,
        jobs=jobs,
        runner=runner,
        dask_address=dask_address,
        fresh=fresh,
        allow_network=allow_network,
        allow_pickle=allow_pickle,
    )
    settings = read_window_settings(request).sweep
    carry_out(request, settings, _load, quiet=quiet, as_json=as_json, check=_check_edit)


def _load() -> tuple[Callable[[WindowPlanRequest], WindowPlanResult], Callable[[WindowPlanResult], None]]:
    from flows.window_plan import run_window_plan
    from invarlock.cli.window_plan_view import show_window_plan

    return run_window_plan, show_window_plan


def _check_edit(checkpoint: Checkpoint, settings: SweepSettings) -> None:
    """What the flow will check too, said before any server has started."""
    from invarlock.measure.live_edit import plan_live_edit  # this takes a moment, and --help does not need it

    plan_live_edit(settings.config.edit, checkpoint, config=settings.inputs[0].name)
