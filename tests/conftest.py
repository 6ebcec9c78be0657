"""What several test folders share: tiny checkpoints, a store, and one embedded home with a real Prefect server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from invarlock.checkpoints.checkpoint import Checkpoint, open_checkpoint
from invarlock.reports.null_sweep_result import NullSweepResult
from invarlock.store.measurement_store import MeasurementStore
from tasks.local_services import prefect_api_url, prefect_home, prefect_server, quiet_environment
from tests.measure.tiny_models import save

# The same examples every time, and a loaded machine is no fault of theirs: no test depends on luck.
settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")
# Processes of pytest-xdist are given a width, which the console would keep from its import on; tests set their own.
os.environ.pop("COLUMNS", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", type=Path, help="where screenshots are kept; else they are thrown away")


@pytest.fixture
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder for screenshots."""
    folder = request.config.getoption("--pictures") or tmp_path / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model, saved once a session. Not to be changed."""
    root = tmp_path_factory.mktemp("tiny")
    return lambda name: save(name, root / name)


@pytest.fixture
def opened(saved: Callable[[str], Path]) -> Callable[[str], Checkpoint]:
    return lambda name: open_checkpoint(str(saved(name)))


@pytest.fixture
def store(tmp_path: Path) -> MeasurementStore:
    return MeasurementStore(tmp_path / "store")


@pytest.fixture(scope="session")
def embedded_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A temporary ``INVARLOCK_HOME`` with its Prefect server up; the environment points at it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("PREFECT_", "MLFLOW_")):
                patch.delenv(name)
        for name, value in quiet_environment(home).items():
            patch.setenv(name, value)
        patch.setenv("INVARLOCK_HOME", str(home))
        server = prefect_server(home)
        api = prefect_api_url(server.start().url)
        patch.setenv("PREFECT_API_URL", api)
        try:
            with _prefect_settings(home, api):
                yield home
        finally:
            _send_what_is_queued()
            server.stop()


@pytest.fixture(scope="session")
def calibrated(embedded_home: Path, tmp_path_factory: pytest.TempPathFactory) -> NullSweepResult:
    """A finished calibration in MLflow, made for the shipped policy."""
    from tests.flows.promotions import calibrate  # imports Prefect, which reads the environment then

    return calibrate(tmp_path_factory.mktemp("calibrated"))


@pytest.fixture
def promotion_root(calibrated: NullSweepResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config root of the test's own, in force, that the calibration was made for."""
    from tests.flows.promotions import fresh_root

    root = fresh_root(tmp_path / "configs")
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(root))
    return root


def _prefect_settings(home: Path, api: str) -> AbstractContextManager[object]:
    # Prefect reads the environment once, at import, and another test may have imported it before.
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    return temporary_settings(
        {
            PREFECT_API_URL: api,
            PREFECT_HOME: prefect_home(home),
            PREFECT_LOCAL_STORAGE_PATH: prefect_home(home) / "results",
            # A sync flow run otherwise waits a second for its heartbeat thread to end.
            "flows.heartbeat_frequency": None,
        }
    )


def _send_what_is_queued() -> None:
    # Prefect's background threads would otherwise look for the server for a minute at exit.
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    EventsWorker.drain_all(timeout=5)
    APILogWorker.drain_all(timeout=5)
