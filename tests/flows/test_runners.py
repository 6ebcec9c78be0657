"""Scale-out: threads, processes and a Dask cluster give the same bytes; a killed worker costs what it had in flight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from invarlock.calibration.runner import Runner
from invarlock.errors import ConfigError
from invarlock.reports.null_sweep_result import NullSweepResult
from tasks.runners import task_runner
from tests.flows.sweeps import request, stable_tree

SEEDS = 4
Sweep = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def sweep(embedded_home: Path, tmp_path: Path) -> Sweep:
    """Start a sweep of 4 x 40 windows by the command, in a home of its own where nothing is known."""
    config = request(tmp_path, windows=20).config

    def start(name: str, *options: object) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "invarlock.cli",
            "calibrate",
            "null-sweep",
            "--profile",
            "dev",
            "--json",
        ]
        command += [
            "--config",
            config,
            "--out",
            tmp_path / f"out_{name}",
            "--n-seeds",
            SEEDS,
            "--tier",
            "balanced",
        ]
        return subprocess.Popen(
            [str(part) for part in (*command, *options)],
            env=home_of(tmp_path, name),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def home_of(folder: Path, name: str) -> dict[str, str]:
    home = folder / name
    return os.environ | {
        "INVARLOCK_HOME": str(home),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home / "prefect/results"),
    }


def result_of(process: subprocess.Popen[str]) -> NullSweepResult:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return NullSweepResult.model_validate_json(out)


def losses(home: Path) -> dict[str, int]:
    """Those kept; a process that is killed while it writes one leaves a file of another name."""
    kept = home / "measurements/window_loss"
    return {str(path): path.stat().st_mtime_ns for path in kept.rglob("[!.]*") if path.is_file()}


@pytest.fixture
def cluster(tmp_path: Path, embedded_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalCluster]:
    """Two worker processes that share the home ``killed``."""
    for name, value in home_of(tmp_path, "killed").items():
        monkeypatch.setenv(name, value)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


@pytest.mark.slow
def test_every_runner_gives_the_same_bytes_and_counts_its_work(sweep: Sweep) -> None:
    local = result_of(sweep("local"))
    for runner in ("process", "dask"):
        found = result_of(sweep(runner, "--runner", runner, "--jobs", 2))
        assert stable_tree(Path(found.out)) == stable_tree(Path(local.out))
        assert found.patch_sha256 == local.patch_sha256
        assert found.work.measured == local.work.measured
        assert found.work.forward_passes == local.work.forward_passes


@pytest.mark.slow
def test_a_killed_worker_changes_no_result_and_loses_only_what_was_in_flight(
    sweep: Sweep, cluster: LocalCluster, tmp_path: Path
) -> None:
    process = sweep("killed", "--runner", "dask", "--dask-address", cluster.scheduler_address)
    home = tmp_path / "killed"
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        workers = client.run(os.getpid)
        busy, deadline = None, time.monotonic() + 240
        while busy is None:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
            running = [worker for worker, tasks in client.processing().items() if tasks]
            busy = running[0] if running and len(losses(home)) >= 20 else None
        before = losses(home)
        os.kill(workers[busy], signal.SIGKILL)
        killed = result_of(process)
        assert set(client.run(os.getpid).values()) != set(workers.values())  # another took its place
    after = losses(home)
    assert {path: after[path] for path in before} == before  # none of them was measured again
    whole = result_of(sweep("whole"))
    assert len(after) == whole.work.measured["window_loss"] > len(before)
    assert stable_tree(Path(killed.out)) == stable_tree(Path(whole.out))


@pytest.mark.slow
def test_workers_with_another_store_are_refused(
    cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_runner(Runner.DASK, 1, cluster.scheduler_address)  # they are as this process
    monkeypatch.setenv("INVARLOCK_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(ConfigError, match="another home"):
        task_runner(Runner.DASK, 1, cluster.scheduler_address)


def test_an_address_without_a_scheduler_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not answer"):
        task_runner(Runner.DASK, 1, "tcp://127.0.0.1:9")


def test_an_address_belongs_to_dask(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the runner dask"):
        request(tmp_path, dask_address="tcp://127.0.0.1:9")
