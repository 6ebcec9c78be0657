"""``invarlock evaluate``: whether an edit of a model is safe, by the tier's gates."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from invarlock.cli.console import err, progress_shown
from invarlock.cli.environment import check_models, launch_server, prepare_environment
from invarlock.cli.sweep_options import (
    DECIDE,
    HOW,
    OUTPUT,
    WHAT,
    AllowNetwork,
    AllowPickle,
    AsJson,
    Device,
    Fresh,
    Profile,
    Quiet,
)
from invarlock.errors import ConfigError
from invarlock.evaluation.evaluation_plan import Assurance, MetricChoice
from invarlock.evaluation.request import EvaluationRequest
from invarlock.evaluation.settings import EvaluationSettings, read_evaluation_settings
from invarlock.network import apply_network_switch
from invarlock.policy.schema import Tier
from invarlock.problems import first_problem
from invarlock.reports.sweep_folder import ensure_usable


def evaluate(
    baseline: Annotated[
        str,
        typer.Option(help="The model before the edit: folder, hub id or bundled:NAME.", rich_help_panel=WHAT),
    ],
    subject: Annotated[
        str,
        typer.Option(help="The model after the edit: folder, hub id or bundled:NAME.", rich_help_panel=WHAT),
    ],
    preset: Annotated[
        Path,
        typer.Option(help="YAML: text, window length, metric; see configs/presets/.", rich_help_panel=WHAT),
    ],
    edit_config: Annotated[
        Path | None,
        typer.Option(
            help="YAML: an edit to lay over the subject in memory, guard overrides, or both; see configs/overrides/.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    profile: Profile = "ci",
    tier: Annotated[
        Tier, typer.Option(help="Whose thresholds judge.", rich_help_panel=DECIDE)
    ] = Tier.BALANCED,
    assurance: Annotated[
        Assurance,
        typer.Option(
            help="strict: too little evidence fails. off: it is said, and a gate without evidence passes.",
            rich_help_panel=DECIDE,
        ),
    ] = Assurance.OFF,
    metric: Annotated[
        MetricChoice | None,
        typer.Option(help="Primary metric. Default: the preset's.", rich_help_panel=DECIDE),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the windows.", rich_help_panel=WHAT)] = 42,
    variance: Annotated[
        bool,
        typer.Option(
            help="Try variance equalization on branches that the edit changed (never a gate).",
            rich_help_panel=DECIDE,
        ),
    ] = True,
    device: Device = None,
    execution_mode: Annotated[
        str, typer.Option(help="Where it runs: host is the only mode.", rich_help_panel=HOW)
    ] = "host",
    out: Annotated[
        Path, typer.Option(help="Folder for the reports of the two runs.", rich_help_panel=OUTPUT)
    ] = Path("runs"),
    report_out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the evaluation report. Default: reports/evaluation/<key of the run>.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    fresh: Fresh = False,
    allow_network: AllowNetwork = False,
    allow_pickle: AllowPickle = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Judge an edited model against its baseline.

    Runs both on the same windows, measures weights and activations, and judges every gate by the tier's thresholds:
    perplexity (or accuracy) with its interval, the worst windows, drift, invariants, spectra, edge risk. What was
    measured before, such as the baseline, is not measured again.

    Example:  invarlock evaluate --baseline bundled:pydocs-gpt2 --subject ./edited
    --preset configs/presets/causal_lm/python_docs_128.yaml --tier balanced

    Writes evaluation.report.json, .md and .html with the evidence to --report-out, a report.json a model to --out.

    Exit codes: 0 every gate holds; 1 a gate does not; 2 bad config, policy, data or usage; 3 aborted (a spike, NaN, or
    something that could not be measured).
    """
    if execution_mode != "host":
        raise ConfigError(
            f"no execution mode is called {execution_mode!r}", where="--execution-mode", fix="use host"
        )
    request = _request(
        baseline=baseline,
        subject=subject,
        preset=preset,
        edit_config=edit_config,
        profile=profile,
        tier=tier,
        assurance=assurance,
        metric=metric,
        seed=seed,
        variance=variance,
        device=device,
        out=out,
        report_out=report_out,
        fresh=fresh,
        allow_network=allow_network,
        allow_pickle=allow_pickle,
    )
    talk = not (quiet or as_json)
    _prepare(request, read_evaluation_settings(request), talk=talk)
    # Late: Prefect reads the environment when it is imported, and --help needs none of this.
    from flows.evaluate import run_evaluation
    from invarlock.cli.evaluation_view import show_evaluation

    with progress_shown(talk):
        result = run_evaluation(request)
    if as_json:
        print(json.dumps(result.model_dump(mode="json"), indent=2))
    elif quiet:
        print(result.report)
    else:
        show_evaluation(result)
    raise typer.Exit(result.verdict.exit_code)


def _request(**values: object) -> EvaluationRequest:
    try:
        return EvaluationRequest.model_validate(values)
    except ValidationError as error:
        first = first_problem(error)
        raise ConfigError(
            first.message,
            where=f"--{str(first.path[0]).replace('_', '-')}",
            fix="see invarlock evaluate --help",
        ) from error


def _prepare(request: EvaluationRequest, settings: EvaluationSettings, *, talk: bool) -> None:
    """What is wrong with options, files and models is said before any work."""
    if request.report_out is not None:
        ensure_usable(request.report_out)
    apply_network_switch(request.allow_network)
    with err.status("Starting the local Prefect server ...") if talk else nullcontext():
        launch_server()
        baseline, subject = check_models(
            (request.baseline, request.subject),
            settings.device,
            allow_network=request.allow_network,
            allow_pickle=request.allow_pickle,
        )
        from invarlock.measure.subject_edit import plan_subject_edit  # imports torch, and --help needs none

        plan_subject_edit(baseline, subject, settings.edit, seq_len=settings.preset.dataset.seq_len)
        prepare_environment()
