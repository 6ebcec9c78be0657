"""The installed versions together do what they do apart: the server starts, and cron schedules make runs.

Two pairs that the package index resolves do not (docs/decisions/0002-versions.md): with one the server dies
at import, with the other it looks healthy and schedules nothing.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId


@flow(name="scheduled smoke")
def scheduled() -> None:
    """Deployed, never run: what is tested is that the server plans it."""


@pytest.mark.slow
def test_a_cron_deployment_gets_scheduled_runs(embedded_home: Path) -> None:
    deployment = scheduled.to_deployment("every minute", cron="* * * * *").apply()
    wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
    deadline = time.monotonic() + 30
    with get_client(sync_client=True) as client:
        while not (runs := client.read_flow_runs(flow_run_filter=wanted)):
            assert time.monotonic() < deadline, "the scheduler made no run of a cron deployment in 30 s"
            time.sleep(0.2)
    first, second = sorted(run.expected_start_time for run in runs if run.expected_start_time)[:2]
    assert (second - first).total_seconds() == 60
    assert {run.state_name for run in runs} == {"Scheduled"}
