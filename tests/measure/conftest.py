"""Folders of tiny checkpoints, and a store of the test's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from invarlock.checkpoints.checkpoint import Checkpoint, open_checkpoint
from invarlock.store.measurement_store import MeasurementStore
from tests.measure.tiny_models import save


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
