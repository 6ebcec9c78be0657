"""Evaluations of the shipped model, measured once a session: nothing in them is to be changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from invarlock.evaluation.measured import Evidence
from tests.flows.evaluations import write_edit
from tests.reports.evaluations import evaluate_here


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model, its text and what was measured of it."""
    return tmp_path_factory.mktemp("evaluated")


@pytest.fixture(scope="session")
def unedited(evaluated: Path) -> Evidence:
    """The model against itself, 8 preview and 8 final windows."""
    return evaluate_here(evaluated)


@pytest.fixture(scope="session")
def quantized(evaluated: Path) -> Evidence:
    """The same, the subject rounded to 3 bits."""
    return evaluate_here(evaluated, edit_config=write_edit(evaluated))
