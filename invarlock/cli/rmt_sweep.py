"""``invarlock calibrate rmt-sweep``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invarlock.calibration.rmt_request import LARGEST_QUANTILE, LEAST_QUANTILE, RmtNull, RmtSweepRequest
from invarlock.calibration.runner import Runner
from invarlock.calibration.sweep_settings import read_null_settings
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

if TYPE_CHECKING:
    from invarlock.reports.rmt_sweep_result import RmtSweepResult


def rmt_sweep(
    config: Annotated[
        Path, typer.Option(help="Base null-sweep YAML (noop edit).", rich_help_panel=WHAT)
    ] = Path("configs/calibration/null_sweep_ci.yaml"),
    out: Out = Path("reports/calibration/rmt_sweep"),
    tier: Tiers = None,
    seed: Seeds = None,
    n_seeds: NSeeds = 10,
    seed_start: SeedStart = 42,
    profile: Profile = "ci",
    device: Device = None,
    model: Models = None,
    null: Annotated[
        RmtNull,
        typer.Option(
            help="redraw: the model on two sets of windows. benign: a harmless edit that differs by seed, on one set.",
            rich_help_panel=DECIDE,
        ),
    ] = RmtNull.REDRAW,
    quantile: Annotated[
        float,
        typer.Option(
            min=LEAST_QUANTILE,
            max=LARGEST_QUANTILE,
            help="Quantile of the null's change in edge risk that epsilon is to hold.",
            rich_help_panel=DECIDE,
        ),
    ] = LEAST_QUANTILE,
    safety_margin: Annotated[
        float, typer.Option(min=0, help="Margin on recommended epsilon.", rich_help_panel=DECIDE)
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
    """Calibrate the RMT guard's epsilon from null runs.

    Measures the edge risk of activations on 8 windows a set: of one model on preview and on final windows (redraw), or
    of a harmless edit and its baseline on the same windows (benign). Recommends, family by family, an upper bound of a
    quantile of delta = r_cur / r_base - 1. Too few runs for a bound (it takes 59 for the 0.95 quantile, 299 for 0.99)
    give the largest delta seen, marked UNSUPPORTED.

    Example:  invarlock calibrate rmt-sweep --config configs/calibration/rmt_sweep_demo.yaml --null benign --n-seeds 59

    The default config needs GPT-2 from the hub (--allow-network); the demo config above needs nothing.

    Writes rmt_sweep_report.json, rmt_sweep_runs.csv, rmt_sweep_summary.md, tiers_patch_rmt_epsilon.yaml,
    runs/<tier>/seed_<s>/report.json, configs/, plots/ and manifest.json.
    """
    request = make_request(
        RmtSweepRequest,
        "rmt-sweep",
        config=config,
        out=out,
        tier=tier,
        seed=seed,
        n_seeds=n_seeds,
        seed_start=seed_start,
        profile=profile,
        device=device,
        safety_margin=safety_margin,
        quantile=quantile,
        null=null,
        model=model,
        jobs=jobs,
        runner=runner,
        dask_address=dask_address,
        fresh=fresh,
        allow_network=allow_network,
        allow_pickle=allow_pickle,
    )
    carry_out(request, read_null_settings(request), _load, quiet=quiet, as_json=as_json)


def _load() -> tuple[Callable[[RmtSweepRequest], RmtSweepResult], Callable[[RmtSweepResult], None]]:
    from flows.rmt_sweep import run_rmt_sweep
    from invarlock.cli.rmt_sweep_view import show_rmt_sweep

    return run_rmt_sweep, show_rmt_sweep
