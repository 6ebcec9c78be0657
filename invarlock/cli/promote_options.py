"""Options that the commands of ``invarlock promote`` share."""

from __future__ import annotations

from typing import Annotated

import typer

RequestId = Annotated[str, typer.Argument(metavar="ID", help="As `invarlock promote list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept in the history.")]
Requester = Annotated[str | None, typer.Option(help="Who asks for it. Default: the user of this computer.")]
Name = Annotated[str | None, typer.Option("--as", help="Who you are. Default: the user of this computer.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
