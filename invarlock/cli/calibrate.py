"""``invarlock calibrate``: sweeps that turn measured runs into recommended thresholds."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from invarlock.calibration.null_request import CapRule, NullKind, NullSweepRequest
from invarlock.calibration.sweep_settings import read_null_settings
from invarlock.cli.console import err, progress_shown
from invarlock.cli.environment import check_models, launch_server, prepare_environment
from invarlock.errors import ConfigError
from invarlock.network import apply_network_switch
from invarlock.policy.schema import Tier
from invarlock.reports.sweep_folder import ensure_usable

app = typer.Typer(
    no_args_is_help=True,
    help="Run sweeps that derive guard thresholds from measured runs, and write a tiers.yaml patch for review.",
)


@app.callback()
def _calibrate() -> None:
    """Keeps ``calibrate`` a group while it has one command."""


@app.command("null-sweep")
def null_sweep(
    config: Annotated[
        Path, typer.Option(help="Base null-sweep YAML (noop edit).", rich_help_panel="What to run")
    ] = Path("configs/calibration/null_sweep_ci.yaml"),
    out: Annotated[
        Path, typer.Option(help="Folder for the calibration artifacts.", rich_help_panel="Output")
    ] = Path("reports/calibration/null_sweep"),
    tier: Annotated[
        list[Tier] | None,
        typer.Option(help="Tier to evaluate; repeatable. Default: all.", rich_help_panel="What to run"),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            help="Seed to run; repeatable. Overrides --n-seeds and --seed-start.",
            rich_help_panel="What to run",
        ),
    ] = None,
    n_seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.", rich_help_panel="What to run")] = 10,
    seed_start: Annotated[int, typer.Option(min=0, help="First seed.", rich_help_panel="What to run")] = 42,
    profile: Annotated[
        str, typer.Option(help="Run profile: ci, release, ci_cpu or dev.", rich_help_panel="What to run")
    ] = "ci",
    device: Annotated[
        str | None,
        typer.Option(
            help="cpu, cuda or cuda:N. Default: the profile's, then the config's.",
            rich_help_panel="What to run",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Baseline instead of the config's: folder, hub id or bundled:NAME; repeat to pool related baselines.",
            rich_help_panel="What to run",
        ),
    ] = None,
    null: Annotated[
        NullKind,
        typer.Option(
            help="noop: the model against itself. benign: a harmless edit that differs by seed.",
            rich_help_panel="How to decide",
        ),
    ] = NullKind.NOOP,
    safety_margin: Annotated[
        float, typer.Option(min=0, help="Margin on recommended kappa.", rich_help_panel="How to decide")
    ] = 0.05,
    target_any_warning_rate: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Run-level spectral warning rate to aim at.", rich_help_panel="How to decide"
        ),
    ] = 0.01,
    cap_rule: Annotated[
        CapRule,
        typer.Option(
            help="margin: kappa = max |z| x (1 + margin). tolerance: drift caps too (needs --null benign).",
            rich_help_panel="How to decide",
        ),
    ] = CapRule.MARGIN,
    jobs: Annotated[
        int, typer.Option(min=1, help="Tasks at a time; they share the cores.", rich_help_panel="How to run")
    ] = 1,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh/--resume",
            help="--fresh replaces another sweep's results in --out. Either way finished measurements are kept.",
            rich_help_panel="Output",
        ),
    ] = False,
    allow_network: Annotated[
        bool,
        typer.Option(
            "--allow-network", help="Let this command download models and data.", rich_help_panel="How to run"
        ),
    ] = False,
    allow_pickle: Annotated[
        bool,
        typer.Option(
            "--allow-pickle",
            help="Accept pytorch_model.bin where no safetensors exist.",
            rich_help_panel="How to run",
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the results folder only.", rich_help_panel="Output")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, for scripts.", rich_help_panel="Output")
    ] = False,
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
    request = _request(
        config=config,
        out=out,
        tiers=tuple(tier) if tier else tuple(Tier),
        seeds=tuple(seed) if seed else tuple(range(seed_start, seed_start + n_seeds)),
        profile=profile,
        device=device,
        safety_margin=safety_margin,
        target_any_warning_rate=target_any_warning_rate,
        null=null,
        cap_rule=cap_rule,
        models=tuple(model or ()),
        jobs=jobs,
        fresh=fresh,
        allow_network=allow_network,
        allow_pickle=allow_pickle,
    )
    talk = not (quiet or as_json)
    settings = read_null_settings(request)  # what files and options get wrong is said before any server starts
    ensure_usable(request.out)
    apply_network_switch(allow_network)
    with err.status("Starting the local Prefect server ...") if talk else nullcontext():
        launch_server()
        check_models(
            settings.references, settings.device, allow_network=allow_network, allow_pickle=allow_pickle
        )
        prepare_environment()
    # Late: Prefect reads the environment when it is imported, and --help needs none of this.
    from flows.null_sweep import run_null_sweep
    from invarlock.cli.null_sweep_view import show_null_sweep

    with progress_shown(talk):
        result = run_null_sweep(request)
    if as_json:
        print(json.dumps(result.model_dump(mode="json"), indent=2))
    elif quiet:
        print(result.out)
    else:
        show_null_sweep(result)


def _request(**values: object) -> NullSweepRequest:
    try:
        return NullSweepRequest.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
        raise ConfigError(
            problems, where="command line", fix="see invarlock calibrate null-sweep --help"
        ) from error
