"""``invarlock calibrate all``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invarlock.calibration.full_request import FullRequest
from invarlock.calibration.null_request import NullKind
from invarlock.calibration.runner import Runner
from invarlock.calibration.sweep_settings import SweepSettings, read_null_settings, read_ve_settings
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
from invarlock.cli.ve_sweep import check_edit

if TYPE_CHECKING:
    from invarlock.reports.full_result import FullResult


def calibrate_all(
    config: Annotated[
        Path,
        typer.Option(
            help="YAML with a baseline and an edit of it; null runs leave the edit out.", rich_help_panel=WHAT
        ),
    ] = Path("configs/calibration/rmt_ve_sweep_ci.yaml"),
    out: Out = Path("reports/calibration/all"),
    tier: Tiers = None,
    seed: Seeds = None,
    n_seeds: NSeeds = 10,
    seed_start: SeedStart = 42,
    profile: Profile = "ci",
    device: Device = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Baseline instead of the config's: folder, hub id or bundled:NAME.", rich_help_panel=WHAT
        ),
    ] = None,
    null: Annotated[
        NullKind,
        typer.Option(
            help="noop: the model itself, on redrawn windows for the RMT sweep. benign: a harmless edit by seed.",
            rich_help_panel=DECIDE,
        ),
    ] = NullKind.NOOP,
    jobs: Jobs = 1,
    runner: WhichRunner = Runner.LOCAL,
    dask_address: DaskAddress = None,
    fresh: Fresh = False,
    allow_network: AllowNetwork = False,
    allow_pickle: AllowPickle = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Calibrate everything: null, RMT and VE sweeps and the window plan of one baseline, into one patch and one page.

    Plans all four before any work, measures each distinct thing once, and leaves tiers_patch.yaml with every
    recommended key and calibration.html with what they rest on. What is particular to one sweep has its default.

    Example:  invarlock calibrate all --config configs/calibration/all_demo.yaml --tier balanced

    The default config needs GPT-2 from the hub (--allow-network); the demo config above needs nothing.

    Writes null_sweep/, rmt_sweep/, ve_sweep/ and window_plan/ with the files of those commands, tiers_patch.yaml,
    calibration.html, calibration_report.json and manifest.json.
    """
    request = make_request(
        FullRequest,
        "all",
        config=config,
        out=out,
        tier=tier,
        seed=seed,
        n_seeds=n_seeds,
        seed_start=seed_start,
        profile=profile,
        device=device,
        null=null,
        model=[model] if model else None,
        jobs=jobs,
        runner=runner,
        dask_address=dask_address,
        fresh=fresh,
        allow_network=allow_network,
        allow_pickle=allow_pickle,
    )
    carry_out(request, _settings(request), _load, quiet=quiet, as_json=as_json, check=check_edit)


def _settings(request: FullRequest) -> SweepSettings:
    """Those of the VE sweep; the others' are read so that what is wrong with them is said before any work."""
    read_null_settings(request.null_sweep())
    read_null_settings(request.rmt_sweep())
    read_window_settings(request.window_plan())
    return read_ve_settings(request.ve_sweep())


def _load() -> tuple[Callable[[FullRequest], FullResult], Callable[[FullResult], None]]:
    from flows.calibrate_all import run_calibrate_all
    from invarlock.cli.calibrate_all_view import show_calibration

    return run_calibrate_all, show_calibration
