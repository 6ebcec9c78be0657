"""``policy verify-history --against-registry`` finds what the files alone cannot show. Needs no server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.local_services import quiet_environment
from tasks.register_policy import register_policy
from tests.cli.run_cli import Ran, run_cli
from tests.promotion.config_root import epsilon, promoted, small_root


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config root with a home of its own, so that nobody else registers a policy there."""
    home, root = tmp_path / "home", small_root(tmp_path / "configs")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name, value in quiet_environment(home).items():  # the command sets these
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INVARLOCK_HOME", str(home))
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(root))
    return root


@pytest.fixture
def verify(capfd: pytest.CaptureFixture[str], root: Path) -> Callable[..., Ran]:
    return lambda *options: run_cli(capfd, "policy", "verify-history", *options)


@pytest.mark.slow  # an MLflow database is made
def test_a_history_that_is_gone_or_was_written_anew(root: Path, verify: Callable[..., Ran]) -> None:
    promoted(root, epsilon(0.02))
    assert "1 entry, the last one" in verify().out
    unknown = verify("--against-registry")
    assert (unknown.code, "the registry has none of 1 entry" in unknown.out) == (1, True)
    register_policy.fn()
    promoted(root, epsilon(0.03))  # not registered yet
    whole = verify("--against-registry", "--json")
    assert whole.code == 0
    assert json.loads(whole.out) | {"last_sha256": None} == {
        "whole": True, "entries": 2, "registered": 1, "broken": None, "last_sha256": None,
    }  # fmt: skip
    assert "2 entries, the last one" in verify("--against-registry").out

    for values in ((), (0.04,)):  # removed, and another one in its place
        shutil.rmtree(root)
        small_root(root)
        for value in values:
            promoted(root, epsilon(value))
        assert verify().code == 0
        found = verify("--against-registry")
        told = "version 1 of the registered policy was made by an entry that is not here"
        assert (found.code, told in " ".join(found.out.split())) == (1, True)
