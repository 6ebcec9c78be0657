"""``invarlock calibrate null-sweep``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from invarlock.calibration.null_request import CapRule, NullKind, NullSweepRequest
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
    from invarlock.reports.null_sweep_result import NullSweepResult


def null_sweep(
    config: Annotated[
        Path, typer.Option(help="Base null-sweep YAML (noop edit).", rich_help_panel=WHAT)
    ] = Path("configs/calibration/null_sweep_ci.yaml"),
    out: Out = Path("reports/calibration/null_sweep"),
    tier: Tiers = None,
    seed: Seeds = None,
    n_seeds: NSeeds = 10,
    seed_start: SeedStart = 42,
    profile: Profile = "ci",
    device: Device = None,
    model: Models = None,
    null: Annotated[
        NullKind,
        typer.Option(
            help="noop: the model against itself. benign: a harmless edit that differs by seed.",
            rich_help_panel=DECIDE,
        ),
    ] = NullKind.NOOP,
    safety_margin: Annotated[
        float, typer.Option(min=0, help="Margin on recommended kappa.", rich_help_panel=DECIDE)
    ] = 0.05,
    target_any_warning_rate: Annotated[
        float,
        typer.Option(min=0, max=1, help="Run-level spectral warning rate to aim at.", rich_help_panel=DECIDE),
    ] = 0.01,
    cap_rule: Annotated[
        CapRule,
        typer.Option(
            help="margin: kappa = max |z| x (1 + margin). tolerance: drift caps too (needs --null benign).",
            rich_help_panel=DECIDE,
        ),
    ] = CapRule.MARGIN,
    jobs: Jobs = 1,
    runner: WhichRunner = Runner.LOCAL,
    dask_address: DaskAddress = None,
    fresh: Fresh = False,
    allow_network: AllowNetwork = False,
    allow_pickle: AllowPickle = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Calibrate spectral kappa and alpha from null (no-op) runs.

    Runs every tier, seed and model of the sweep, measures each distinct thing once, judges each run by the tier's
    policy, and recommends kappa = max |z| x (1 + margin) per family, with the evidence and what it cannot support.

    Example:  invarlock calibrate null-sweep --config configs/calibration/null_sweep_demo.yaml --tier balanced

    Windows a run come from the profile (ci: 240 + 240); --profile dev takes the config's eval counts. The default
    config needs GPT-2 from the hub (--allow-network); the demo config above needs nothing.

    Writes null_sweep_report.json, null_sweep_runs.csv, null_sweep_summary.md, tiers_patch_spectral_null.yaml,
    runs/<tier>/seed_<s>/report.json, configs/, plots/ and manifest.json.
    """
    request = make_request(
        NullSweepRequest,
        "null-sweep",
        config=config,
        out=out,
        tier=tier,
        seed=seed,
        n_seeds=n_seeds,
        seed_start=seed_start,
        profile=profile,
        device=device,
        safety_margin=safety_margin,
        target_any_warning_rate=target_any_warning_rate,
        null=null,
        cap_rule=cap_rule,
        model=model,
        jobs=jobs,
        runner=runner,
        dask_address=dask_address,
        fresh=fresh,
        allow_network=allow_network,
        allow_pickle=allow_pickle,
    )
    carry_out(request, read_null_settings(request), _load, quiet=quiet, as_json=as_json)


def _load() -> tuple[Callable[[NullSweepRequest], NullSweepResult], Callable[[NullSweepResult], None]]:
    from flows.null_sweep import run_null_sweep
    from invarlock.cli.null_sweep_view import show_null_sweep

    return run_null_sweep, show_null_sweep
