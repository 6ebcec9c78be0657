"""The shipped deployments on a real server: weekly, one at a time, queued by model; lost runs are ended."""

from __future__ import annotations

import fcntl
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, FlowRun
from prefect.states import Running

from invarlock.errors import ConfigError
from invarlock.home import shipped
from tasks.deployments import POOL, apply_deployments, end_lost_runs, worker_name

pytestmark = pytest.mark.slow
WEEKLY = {"null-sweep/demo": "0 3 * * 1", "rmt-sweep/demo": "0 3 * * 2"}


@pytest.fixture(scope="module")
def client(embedded_home: Path) -> SyncPrefectClient:
    apply_deployments(shipped("deployments/prefect.yaml"))
    return get_client(sync_client=True)


def test_sweeps_are_scheduled_weekly_and_run_one_at_a_time(client: SyncPrefectClient) -> None:
    for name, cron in WEEKLY.items():
        deployment = client.read_deployment_by_name(name)
        assert [schedule.schedule.cron for schedule in deployment.schedules] == [cron]
        assert deployment.concurrency_options is not None
        assert deployment.concurrency_options.collision_strategy is ConcurrencyLimitStrategy.CANCEL_NEW
    limits = {queue.name: queue.concurrency_limit for queue in client.read_work_queues(work_pool_name=POOL)}
    assert limits == {"default": None, "pydocs-gpt2": 1}


def test_applying_twice_changes_nothing(client: SyncPrefectClient) -> None:
    before = {d.id: [s.id for s in d.schedules] for d in client.read_deployments()}
    apply_deployments(shipped("deployments/prefect.yaml"))
    assert {d.id: [s.id for s in d.schedules] for d in client.read_deployments()} == before


def test_the_limit_that_an_operator_gave_a_queue_stays(client: SyncPrefectClient) -> None:
    [queue] = [each for each in client.read_work_queues(work_pool_name=POOL) if each.name == "pydocs-gpt2"]
    client.update_work_queue(queue.id, concurrency_limit=3)
    apply_deployments(shipped("deployments/prefect.yaml"))
    assert client.read_work_queue(queue.id).concurrency_limit == 3
    client.update_work_queue(queue.id, concurrency_limit=1)


def test_a_deployment_without_its_flow_is_refused(embedded_home: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("deployments: [{name: x, entrypoint: flows.no_such.flow}]\n")
    with pytest.raises(ConfigError, match="no_such"):
        apply_deployments(tmp_path / "wrong.yaml")


def test_only_runs_that_nobody_carries_out_are_ended(client: SyncPrefectClient, tmp_path: Path) -> None:
    leases, mine, other = tmp_path / "flow_runs", worker_name(tmp_path), worker_name(tmp_path / "elsewhere")
    assert mine == worker_name(tmp_path) != other
    runs = [running(client, worker) for worker in (mine, mine, other)]
    alive = runs[1]
    leases.mkdir()
    with (leases / f"{alive.id}.1").open("w") as lease:
        fcntl.flock(lease, fcntl.LOCK_EX)
        assert end_lost_runs(leases, mine) == 0  # they have only just begun
        assert end_lost_runs(leases, mine, settled=timedelta(0)) == 1
    assert [client.read_flow_run(run.id).state_name for run in runs] == ["Crashed", "Running", "Running"]
    assert end_lost_runs(tmp_path / "elsewhere/flow_runs", other, settled=timedelta(0)) == 1
    client.delete_flow_run(alive.id)


def running(client: SyncPrefectClient, worker: str) -> FlowRun:
    """A run that ``worker`` started."""
    run = client.create_flow_run_from_deployment(client.read_deployment_by_name("window-plan/demo").id)
    client.update_flow_run_labels(run.id, {"prefect.worker.name": worker})
    client.set_flow_run_state(run.id, Running(), force=True)
    return run
