"""``invarlock doctor`` on a sound and on a damaged home."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invarlock.measure.records import WindowLoss
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore
from tests.cli.run_cli import run_cli


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVARLOCK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_sound_installation_has_no_problem_and_is_left_alone(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ran = run_cli(capfd, "doctor", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(ran.out)}
    assert ran.code == 0
    assert {finding["level"] for finding in findings.values()} == {"ok"}
    assert {"python", "prefect", "fastapi", "sqlalchemy", "home", "network", "policy"} <= findings.keys()
    assert not home.exists()


def test_a_damaged_measurement_is_found(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = MeasurementStore(home / "measurements")
    store.put(MeasurementKey(kind="k", version=1, inputs={}), WindowLoss(window_id="w", nll=1.0, tokens=1))
    (entry,) = (path for path in (home / "measurements" / "k").rglob("*") if path.is_file())
    entry.write_bytes(entry.read_bytes()[:-3])
    findings = {f["subject"]: f for f in json.loads(run_cli(capfd, "doctor", "--json").out)}
    assert findings["measurements"]["level"] == "warning"
    assert findings["measurements"]["what"] == "1 damaged entries"


def test_a_broken_policy_file_is_a_problem(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root" / "runtime").mkdir(parents=True)
    (tmp_path / "root" / "runtime" / "tiers.yaml").write_text("balanced: {spectral_gard: {}}\n")
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(tmp_path / "root"))
    ran = run_cli(capfd, "doctor")
    assert ran.code == 2
    assert "spectral_gard" in ran.out
