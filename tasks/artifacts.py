"""What a flow run shows on its page in Prefect: text, tables and links, under keys that keep versions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_UI_URL

from invarlock.reports.sweep_result import CalibrationResult
from tasks.local_services import without_credentials

Cell = str | int | float | bool | None


def show_markdown(key: str, markdown: str, description: str) -> None:
    """Show Markdown text. ``key``: any words; they become lowercase with dashes."""
    create_markdown_artifact(markdown, key=artifact_key(key), description=description)


def show_table(key: str, rows: Sequence[Mapping[str, Cell]], description: str) -> None:
    """Show rows, each {column: value}. ``key`` as for :func:`show_markdown`."""
    create_table_artifact([dict(row) for row in rows], key=artifact_key(key), description=description)


def show_link(key: str, url: str, text: str, description: str) -> None:
    """Show a link. ``key`` as for :func:`show_markdown`."""
    create_link_artifact(url, link_text=text, key=artifact_key(key), description=description)


def show_sweep(
    name: str, result: CalibrationResult, rows: Sequence[Mapping[str, Cell]], description: str
) -> None:
    """A finished sweep: its summary, a table of what it recommends, and the way to MLflow."""
    lines = Path(result.summary).read_text().splitlines()
    # Plots are in MLflow: no path leads there from Prefect's page.
    text = "\n".join(line for line in lines if not line.startswith("!["))
    show_markdown(f"{name} summary", text, "What the sweep recommends")
    show_table(f"{name} table", rows, description)
    show_link(f"{name} mlflow", result.links.mlflow_url, "The run in MLflow", "Reports, hashes and files")


def flow_run_url() -> str | None:
    """The page of the running flow run; None where no UI is known."""
    context = FlowRunContext.get()
    return None if context is None or context.flow_run is None else url_of(context.flow_run)


def url_of(run: FlowRun) -> str | None:
    """The page of ``run``; None where no UI is known. Raises as :func:`without_credentials`."""
    ui = PREFECT_UI_URL.value()
    return None if ui is None else f"{without_credentials(ui, 'PREFECT_UI_URL')}/runs/flow-run/{run.id}"


def artifact_key(words: str) -> str:
    """``words`` in the form that Prefect accepts. ValueError when no letter or digit is left.

    >>> artifact_key("Null sweep: balanced")
    'null-sweep-balanced'
    """
    key = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    if not key:
        raise ValueError(f"{words!r} holds no letter or digit for a key")
    return key
