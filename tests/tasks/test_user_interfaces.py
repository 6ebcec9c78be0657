"""Both UIs in a real browser: the page of a flow run, what it shows, and the page of a run with its files."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect import flow
from prefect.artifacts import Artifact
from prefect.runtime import flow_run

from tasks.artifacts import show_link, show_markdown
from tasks.local_services import mlflow_server, prefect_server
from tasks.tracking import Tracker
from tests.browser import text_of
from tests.tasks.sweep_logging import log_sweep


@pytest.mark.slow
def test_both_show_a_sweep(embedded_home: Path) -> None:
    tracker = Tracker(embedded_home, "null sweep")

    @flow(name="shown sweep")
    def sweep() -> tuple[str, str]:
        parent = log_sweep(tracker, "shown")[-1]
        show_markdown("Shown summary", "Caps of the **attention** family", "what was found")
        show_link("Shown run", tracker.run_url(parent.run_id), "the run in MLflow", "every file")
        return str(flow_run.id), parent.run_id

    server = mlflow_server(embedded_home)
    server.start()
    try:
        shown, run_id = sweep()
        prefect_ui = prefect_server(embedded_home).status().url
        assert "shown sweep" in text_of(f"{prefect_ui}/v2/runs/flow-run/{shown}")
        artifact = Artifact.get("shown-summary")
        assert artifact is not None
        assert "attention</strong>" in text_of(f"{prefect_ui}/v2/artifacts/artifact/{artifact.id}")
        page = text_of(tracker.run_url(run_id))
        assert "null sweep" in page
        assert "sha256_of_SHA256SUMS" in page
        files = tracker.run_url(run_id).replace("?", "/artifacts?")
        assert "summary.md" in text_of(files)
    finally:
        server.stop()
