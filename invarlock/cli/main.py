"""The ``invarlock`` command: parse, call, print. Errors become their text and an exit code here."""

from __future__ import annotations

import atexit
import gc
import inspect
import re
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape
from typer.core import TyperGroup
from typer.main import get_group

from invarlock import __version__
from invarlock.cli import calibrate, doctor, evaluate, measure, policy, promote, report, services, worker
from invarlock.cli.console import err
from invarlock.errors import InvarlockError

HELP = """Calibrate the thresholds that guard model weight edits, from measured runs.

First steps: [bold]invarlock calibrate null-sweep --config configs/calibration/null_sweep_demo.yaml[/bold]; then
[bold]invarlock up[/bold] shows the runs in the browser. [bold]invarlock doctor[/bold] says what is amiss.

Exit codes: 0 done, and every gate holds; 1 a gate failed, or a report does not verify; 2 bad config, policy, data or
usage; 3 aborted: a spike, NaN, or something that could not be measured.
"""

# Not the end of a paragraph, nor before an indented line.
_BREAK_OF_THE_SOURCE = re.compile(r"(?<!\n)\n(?![\n ])")

app = typer.Typer(
    name="invarlock",
    help=HELP,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(calibrate.app, name="calibrate")
app.command("evaluate")(evaluate.evaluate)
app.command("measure")(measure.measure)
app.add_typer(policy.app, name="policy")
app.add_typer(promote.app, name="promote")
app.add_typer(report.app, name="report")
app.command("up")(services.up)
app.command("down")(services.down)
app.command("status")(services.status)
app.command("worker")(worker.worker)
app.command("doctor")(doctor.doctor)

advanced = typer.Typer(no_args_is_help=True, help="The same commands under the name that older notes use.")
advanced.add_typer(calibrate.app, name="calibrate")
app.add_typer(advanced, name="advanced")


def _version(asked: bool) -> None:
    if asked:
        print(f"invarlock {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the installed command; ``arguments`` instead of the process's own."""
    # Else Python looks for garbage once more as it ends, for seconds among the objects of torch, Prefect and MLflow.
    atexit.register(gc.freeze)
    try:
        _reflowed(get_group(app))(args=arguments)
    except InvarlockError as error:
        err.print(f"[bold red]error:[/bold red] {escape(str(error))}", soft_wrap=True)
        sys.exit(error.exit_code)


def _reflowed(group: TyperGroup) -> TyperGroup:
    """``group``, with the help of all its commands broken where the terminal ends, not where the source does."""
    for command in (group, *group.commands.values()):
        command.help = _BREAK_OF_THE_SOURCE.sub(" ", inspect.cleandoc(command.help or ""))
        if isinstance(command, TyperGroup) and command is not group:
            _reflowed(command)
    return group
