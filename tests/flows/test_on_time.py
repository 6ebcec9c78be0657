"""A schedule that was missed by far is skipped; everything else runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry, Crashed, Running, Scheduled

from flows.on_time import on_time
from invarlock.policy.schema import Tier
from tasks.local_services import prefect_home

ran: list[Tier] = []


@flow(name="on time")
@on_time
def weekly(tier: Tier) -> int:
    ran.append(tier)
    return 7


@pytest.mark.parametrize(
    ("hours_late", "scheduled", "again", "ends"),
    [
        (0.1, True, False, "Completed"),
        (1.5, True, False, "Cancelled"),
        (1.5, True, True, "Completed"),
        (1.5, False, False, "Completed"),
    ],
)
def test_late_schedules_are_skipped(
    embedded_home: Path, hours_late: float, scheduled: bool, again: bool, ends: str
) -> None:
    ran.clear()
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(weekly, parameters={"tier": "balanced"}, state=Scheduled())
        rewrite(embedded_home, run.id, scheduled, datetime.now(UTC) - timedelta(hours=hours_late))
        for state in (Running(), Crashed(), AwaitingRetry()) if again else ():  # as the button Retry does
            client.set_flow_run_state(run.id, state, force=True)
        run = client.read_flow_run(run.id)
        assert run.auto_scheduled is scheduled
        ended: Any = run_flow(weekly, flow_run=run, parameters={"tier": "balanced"}, return_type="state")
        assert isinstance(ended, State)
        assert client.read_flow_run(run.id).state_name == ends
    assert ran == ([Tier.BALANCED] if ends == "Completed" else [])


def rewrite(home: Path, run: UUID, scheduled: bool, due: datetime) -> None:
    """Only the server's scheduler makes such runs, and only for times to come: so the test goes to its database."""
    with closing(sqlite3.connect(prefect_home(home) / "prefect.db", timeout=30)) as database, database:
        changed = database.execute(
            "UPDATE flow_run SET auto_scheduled = ?, expected_start_time = ? WHERE id = ?",
            (scheduled, due.strftime("%Y-%m-%d %H:%M:%S.%f"), str(run)),
        )
        assert changed.rowcount == 1


def test_a_plain_call_is_no_schedule(embedded_home: Path) -> None:
    assert weekly(Tier.BALANCED) == 7
