"""``invarlock promote``: how a calibration's patch becomes policy, and how an earlier policy comes back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from invarlock.cli import promote_answer, promote_look
from invarlock.cli.console import err
from invarlock.cli.environment import launch_server, prepare_environment
from invarlock.cli.promote_options import AsJson, Reason, Requester, RequestId
from invarlock.promotion.person import person_name, whoever_runs_this
from invarlock.promotion.request_promotion import requestable
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.same_values import open_twin
from invarlock.promotion.versions import version_named

HELP = """Let a calibration's patch become policy: request, checks, review, approval, apply, history.

Example, by ann and then by bea:

  invarlock promote request OUT/tiers_patch_spectral_null.yaml --reason "the model was trained anew"
  invarlock promote approve ID --reason "read the diff"
  invarlock promote apply ID

Nothing comes into force before another person has approved it. Exit codes: 0 done; 1 a check failed; 2 bad input, or a
request that is not approved, stale or closed.
"""

app = typer.Typer(no_args_is_help=True, help=HELP)


@app.command()
def request(
    patch: Annotated[Path, typer.Argument(help="A tiers_patch*.yaml, as `invarlock calibrate` wrote it.")],
    reason: Reason,
    allow_large: Annotated[
        str | None,
        typer.Option(help="Why values may move further than the limits, or be loosened without support."),
    ] = None,
    requester: Requester = None,
    as_json: AsJson = False,
) -> None:
    """Ask for PATCH to become policy, and check it: provenance, policy checks, back-test.

    The patch must be the one that a finished run in MLflow made, against the policy that is in force. Asked again in
    the same words, it goes on with the request that is there.

    Example:  invarlock promote request reports/calibration/null_sweep/tiers_patch_spectral_null.yaml
    --reason "recalibrated on the new checkpoint"
    """
    who, read = _asking(requester), requestable(patch)
    _prepare()
    from tasks.open_request import open_request  # imports MLflow, and --help needs none of it

    asked = open_request(read, requester=who, reason=reason, allow_large=allow_large)
    if twin := open_twin(RequestStore(), asked):
        told = f"request {twin.id} by {escape(twin.requester)} is open and asks for the same values"
        err.print(
            f"[yellow]warning:[/yellow] {told}; reject one: `invarlock promote reject ID`", soft_wrap=True
        )
    _carry_on(asked.id, as_json)


app.command("list")(promote_look.list_requests)
app.command()(promote_look.show)
app.command()(promote_look.diff)
app.command()(promote_answer.approve)
app.command()(promote_answer.reject)


@app.command()
def apply(request_id: RequestId, as_json: AsJson = False) -> None:
    """Put an approved request in force, and register the policy in MLflow with alias `live`.

    Goes on wherever the request was left: checks that are missing are made first; applied before, it says so.

    Example:  invarlock promote apply 1f2e3d4c5b6a7988
    """
    RequestStore().request(request_id)  # before any server is started
    _prepare()
    _carry_on(request_id, as_json, must_apply=True)


@app.command()
def rollback(
    reason: Reason,
    to: Annotated[
        str | None,
        typer.Option(help="Beginning of a version's hash. Default: the version before the last change."),
    ] = None,
    requester: Requester = None,
    as_json: AsJson = False,
) -> None:
    """Ask for an earlier policy to come back, byte for byte. It is approved and applied like any promotion.

    Example:  invarlock promote rollback --reason "too many false alarms"
    """
    from invarlock.promotion.rollback import request_rollback

    who = _asking(requester)
    version = version_named(to)
    _prepare()
    asked = request_rollback(version, requester=who, reason=reason, created_at=datetime.now(UTC))
    _carry_on(asked.id, as_json)


def _asking(requester: str | None) -> str:
    return person_name(requester or whoever_runs_this(), "a requester")


def _prepare() -> None:
    with err.status("Starting the local Prefect server ..."):
        launch_server()
        prepare_environment()


def _carry_on(request_id: str, as_json: bool, *, must_apply: bool = False) -> None:
    # Late: Prefect reads the environment when it is imported, and --help needs none of this.
    from flows.promote import run_promotion
    from invarlock.cli.promotion_view import show_result
    from tasks.waiting_runs import start_waiting

    result = run_promotion(request_id)
    if result.entry is None and must_apply:
        _raise_why_not_approved(request_id)
    page = start_waiting(request_id) if result.entry is None else None
    if as_json:
        print(json.dumps(result.model_dump(mode="json") | {"waiting": page}, indent=2))
    else:
        show_result(result, page)


def _raise_why_not_approved(request_id: str) -> None:
    from invarlock.promotion.approval import counting_approvals
    from invarlock.promotion.promotion_config import load_promotion_config

    counting_approvals(request_id, load_promotion_config(RequestStore().files), now=datetime.now(UTC))
