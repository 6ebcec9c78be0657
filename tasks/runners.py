"""Prefect's task runners for the places where tasks may run, and a look at the workers of a cluster."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from invarlock.calibration.runner import Runner
from invarlock.digests import digest_of
from invarlock.errors import ConfigError
from invarlock.home import home
from invarlock.provenance import code_version


def task_runner(runner: Runner, jobs: int, dask_address: str | None) -> TaskRunner[Any]:
    """Tasks ``jobs`` at a time; dask_address: of a cluster that runs already, which has its own number of workers.

    ConfigError when Dask is not installed, or the cluster's workers are not what this process is.
    """
    if runner is Runner.LOCAL:
        return ThreadPoolTaskRunner(max_workers=jobs)
    if runner is Runner.PROCESS:
        return ProcessPoolTaskRunner(max_workers=jobs, initializer=share_cores, initargs=(jobs,))
    return _dask(jobs, dask_address)


def share_cores(processes: int) -> None:
    """Give this process its share of the cores."""
    import torch  # in the other process only, before its first task

    torch.set_num_threads(max(1, torch.get_num_threads() // processes))


def _dask(jobs: int, address: str | None) -> TaskRunner[Any]:
    if find_spec("prefect_dask") is None:
        raise ConfigError(
            "Dask is not installed", where="--runner dask", fix="pip install 'invarlock-calibration[dask]'"
        )
    from prefect_dask import DaskTaskRunner

    if address is None:
        cluster = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None}
        return DaskTaskRunner(cluster_kwargs=cluster)  # type: ignore[no-any-return]  # it has no types
    _ensure_alike(address)
    return DaskTaskRunner(address=address)  # type: ignore[no-any-return]


def _ensure_alike(address: str) -> None:
    from distributed import Client

    try:
        with Client(address, timeout="5s", set_as_default=False) as client:  # type: ignore[no-untyped-call]
            workers = client.run(what_decides)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the Dask scheduler does not answer: {error}", where=address, fix="such as tcp://host:8786"
        ) from error
    if not workers:
        raise ConfigError(
            "the Dask cluster has no worker", where=address, fix="start some with `dask worker`"
        )
    for worker, found in workers.items():
        for what, own in what_decides().items():
            if found[what] != own:
                raise ConfigError(
                    f"a Dask worker has another {what}: {found[what]} instead of {own}",
                    where=worker,
                    fix="the same INVARLOCK_HOME, on a shared path, and the same installation everywhere",
                )


def what_decides() -> dict[str, str]:
    """What workers must have in common: where measurements are kept, and the code that makes them."""
    return {"home": str(home()), "code": digest_of(code_version())}
