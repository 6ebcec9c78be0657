"""What the commands of all sweeps share: their options, and the way from options to a request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from pydantic import ValidationError

from invarlock.calibration.runner import Runner
from invarlock.calibration.sweep_request import CalibrationRequest
from invarlock.calibration.sweep_settings import SweepSettings
from invarlock.cli.console import err, progress_shown
from invarlock.cli.environment import check_models, launch_server, prepare_environment
from invarlock.errors import ConfigError
from invarlock.network import apply_network_switch
from invarlock.policy.schema import Tier
from invarlock.problems import Problem, problems_of
from invarlock.record import Record
from invarlock.reports.sweep_folder import ensure_usable
from invarlock.reports.sweep_result import CalibrationResult

if TYPE_CHECKING:
    from invarlock.checkpoints.checkpoint import Checkpoint

WHAT, DECIDE, HOW, OUTPUT = "What to run", "How to decide", "How to run", "Output"
_REPEATED = {"tiers": "tier", "seeds": "seed", "models": "model"}  # field: option
R = TypeVar("R", bound=Record)
Request = TypeVar("Request", bound=CalibrationRequest)
Result = TypeVar("Result", bound=CalibrationResult)

Out = Annotated[Path, typer.Option(help="Folder for the calibration artifacts.", rich_help_panel=OUTPUT)]
Tiers = Annotated[
    list[Tier] | None, typer.Option(help="Tier to evaluate; repeatable. Default: all.", rich_help_panel=WHAT)
]
Seeds = Annotated[
    list[int] | None,
    typer.Option(help="Seed to run; repeatable. Overrides --n-seeds and --seed-start.", rich_help_panel=WHAT),
]
NSeeds = Annotated[int, typer.Option(min=1, help="Number of seeds.", rich_help_panel=WHAT)]
SeedStart = Annotated[int, typer.Option(min=0, help="First seed.", rich_help_panel=WHAT)]
Profile = Annotated[str, typer.Option(help="Run profile: ci, release, ci_cpu or dev.", rich_help_panel=WHAT)]
Device = Annotated[
    str | None,
    typer.Option(
        help="cpu, cuda or cuda:N. Default: the profile's, then the config's.", rich_help_panel=WHAT
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        help="Baseline instead of the config's: folder, hub id or bundled:NAME; repeat to pool related baselines.",
        rich_help_panel=WHAT,
    ),
]
Jobs = Annotated[int, typer.Option(min=1, help="Tasks at a time; they share the cores.", rich_help_panel=HOW)]
WhichRunner = Annotated[
    Runner,
    typer.Option(
        help="Where tasks run. local: threads, right below 2 s a task. process: processes of this machine. "
        "dask: a cluster, from 5 s a task on. The results are the same.",
        rich_help_panel=HOW,
    ),
]
DaskAddress = Annotated[
    str | None,
    typer.Option(
        help="Scheduler of a Dask cluster with INVARLOCK_HOME on a shared path. Default: --jobs workers here.",
        rich_help_panel=HOW,
    ),
]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh/--resume",
        help="--fresh replaces another sweep's results in --out. Either way finished measurements are kept.",
        rich_help_panel=OUTPUT,
    ),
]
AllowNetwork = Annotated[
    bool,
    typer.Option("--allow-network", help="Let this command download models and data.", rich_help_panel=HOW),
]
AllowPickle = Annotated[
    bool,
    typer.Option(
        "--allow-pickle", help="Accept pytorch_model.bin where no safetensors exist.", rich_help_panel=HOW
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print the results folder only.", rich_help_panel=OUTPUT)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, for scripts.", rich_help_panel=OUTPUT)
]


def make_request(
    kind: type[Request],
    command: str,
    *,
    tier: list[Tier] | None,
    seed: list[int] | None,
    n_seeds: int,
    seed_start: int,
    model: list[str] | None,
    **values: object,
) -> Request:
    """The request of ``command``. ConfigError when the options do not go together."""
    common = {
        "tiers": tuple(tier or Tier),
        "seeds": tuple(seed or range(seed_start, seed_start + n_seeds)),
        "models": tuple(model or ()),
    }
    return checked_request(kind, command, {**common, **values})


def checked_request(kind: type[R], command: str, values: Mapping[str, object]) -> R:
    """The record ``kind`` of ``values``. ConfigError when the options do not go together."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(map(_with_option, problems_of(error, kind)))
        raise ConfigError(
            problems, where="command line", fix=f"see invarlock calibrate {command} --help"
        ) from error


def _with_option(problem: Problem) -> str:
    """Named for the option behind the field; one that can be repeated has the name of a single value."""
    message = problem.message
    if not problem.path:
        return message
    name = str(problem.path[0])
    return f"--{_REPEATED.get(name, name).replace('_', '-')}: {message}"


def carry_out(
    request: Request,
    settings: SweepSettings,
    load: Callable[[], tuple[Callable[[Request], Result], Callable[[Result], None]]],
    *,
    quiet: bool,
    as_json: bool,
    check: Callable[[Checkpoint, SweepSettings], None] | None = None,
) -> None:
    """Run a sweep and print what it gives.

    load: imports and hands over the function that runs the sweep and the one that shows it to a person. Late: Prefect
    reads the environment when it is imported, and --help needs none of this. check: as in :func:`prepare`.
    """
    talk = not (quiet or as_json)
    prepare(request, settings, talk=talk, check=check)
    run, show = load()
    with progress_shown(talk):
        result = run(request)
    tell(result, show, as_json=as_json, quiet=quiet)


def prepare(
    request: CalibrationRequest,
    settings: SweepSettings,
    *,
    talk: bool,
    check: Callable[[Checkpoint, SweepSettings], None] | None = None,
) -> None:
    """Everything before the first import of Prefect; what is wrong with options and files is said before any work.

    check: looks at each opened checkpoint, headers only.
    """
    ensure_usable(request.out)
    apply_network_switch(request.allow_network)
    with err.status("Starting the local Prefect server ...") if talk else nullcontext():
        launch_server()
        checkpoints = check_models(
            settings.references,
            settings.device,
            allow_network=request.allow_network,
            allow_pickle=request.allow_pickle,
        )
        if check is not None:
            for checkpoint in checkpoints:
                check(checkpoint, settings)
        prepare_environment()


def prepare_servers(out: Path, *, talk: bool) -> None:
    """As :func:`prepare`, for a sweep that opens no model and stays offline."""
    ensure_usable(out)
    with err.status("Starting the local Prefect server ...") if talk else nullcontext():
        launch_server()
        prepare_environment()


def tell(result: Result, show: Callable[[Result], None], *, as_json: bool, quiet: bool) -> None:
    """Print a finished sweep: as JSON for scripts, as its folder, or by ``show`` for a person."""
    if as_json:
        print(json.dumps(result.model_dump(mode="json"), indent=2))
    elif quiet:
        print(result.out)
    else:
        show(result)
