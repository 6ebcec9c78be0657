"""``invarlock calibrate ve-sweep``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invarlock.calibration.runner import Runner
from invarlock.calibration.sweep_settings import SweepSettings, read_ve_settings
from invarlock.calibration.ve_records import MinEffectRule
from invarlock.calibration.ve_request import VeSweepRequest
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
    Models,
    NSeeds,
    Out,
    Profile,
    Quiet,
    Seeds,
    SeedStart,
    Tiers,
    WhichRunner,
    carry_out,
    make_request,
)
from invarlock.policy.variance import FEWEST_WINDOWS

if TYPE_CHECKING:
    from invarlock.checkpoints.checkpoint import Checkpoint
    from invarlock.reports.ve_sweep_result import VeSweepResult


def ve_sweep(
    config: Annotated[
        Path, typer.Option(help="Base VE sweep YAML (an edit such as quant_rtn).", rich_help_panel=WHAT)
    ] = Path("configs/calibration/rmt_ve_sweep_ci.yaml"),
    out: Out = Path("reports/calibration/ve_sweep"),
    tier: Tiers = None,
    seed: Seeds = None,
    n_seeds: NSeeds = 10,
    seed_start: SeedStart = 42,
    window: Annotated[
        list[int] | None,
        typer.Option(
            min=FEWEST_WINDOWS,
            help="Calibration windows a run decides on; repeatable. Default: 6, 8, 12, 16.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    profile: Profile = "ci",
    device: Device = None,
    model: Models = None,
    target_enable_rate: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of runs that may still enable VE.", rich_help_panel=DECIDE),
    ] = 0.05,
    safety_margin: Annotated[
        float, typer.Option(min=0, help="Margin on the recommended minimum effect.", rich_help_panel=DECIDE)
    ] = 0.0,
    rule: Annotated[
        MinEffectRule,
        typer.Option(
            help="target-rate: the smallest value that no more than the target share passes. "
            "half-width: z sigma / sqrt(n).",
            rich_help_panel=DECIDE,
        ),
    ] = MinEffectRule.TARGET_RATE,
    jobs: Jobs = 1,
    runner: WhichRunner = Runner.LOCAL,
    dask_address: DaskAddress = None,
    fresh: Fresh = False,
    allow_network: AllowNetwork = False,
    allow_pickle: AllowPickle = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Calibrate the variance guard's min_effect_lognll on an edited model.

    Applies the config's edit in memory, proposes scales that bring each branch back to the baseline's variance, tests
    them virtually (a hook; weights are never touched) on windows drawn by seed, and recommends the smallest
    min_effect_lognll that no more than the target share of the runs passes. Each distinct forward pass is run once.

    Example:  invarlock calibrate ve-sweep --config configs/calibration/ve_sweep_demo.yaml --tier balanced

    The default config needs GPT-2 from the hub (--allow-network); the demo config above needs nothing.

    Writes ve_sweep_report.json, ve_sweep_runs.csv, ve_power_curve.csv, ve_sweep_summary.md,
    tiers_patch_variance_ve.yaml, runs/<tier>/windows_<w>/seed_<s>/report.json, configs/, plots/ and manifest.json.
    """
    request = make_request(
        VeSweepRequest,
        "ve-sweep",
        config=config,
        out=out,
        tier=tier,
        seed=seed,
        n_seeds=n_seeds,
        seed_start=seed_start,
        windows=tuple(window) if window else (6, 8, 12, 16),
        profile=profile,
        device=device,
        target_enable_rate=target_enable_rate,
        safety_margin=safety_margin,
        rule=rule,
        model=model,
        jobs=jobs,
        runner=runner,
        dask_address=dask_address,
        fresh=fresh,
        allow_network=allow_network,
        allow_pickle=allow_pickle,
    )
    carry_out(request, read_ve_settings(request), _load, quiet=quiet, as_json=as_json, check=check_edit)


def _load() -> tuple[Callable[[VeSweepRequest], VeSweepResult], Callable[[VeSweepResult], None]]:
    from flows.ve_sweep import run_ve_sweep
    from invarlock.cli.ve_sweep_view import show_ve_sweep

    return run_ve_sweep, show_ve_sweep


def check_edit(checkpoint: Checkpoint, settings: SweepSettings) -> None:
    """What the flow will check too, said before any server has started."""
    from invarlock.calibration.ve_plan import require_taps  # these take a moment, and --help needs neither
    from invarlock.measure.branch_edit import plan_branch_edit

    planned = plan_branch_edit(settings.config.edit, checkpoint, config=settings.inputs[0].name)
    require_taps(planned.edited, settings.policies)
