"""The null sweep against a real Prefect server and a real MLflow store."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
import yaml
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId

from flows.null_sweep import run_null_sweep
from invarlock.calibration.null_request import CapRule, NullKind
from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.digests import sha256_file
from invarlock.errors import ConfigError
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.null_sweep_result import NullSweepResult
from invarlock.reports.run_report import RunReport
from invarlock.reports.sweep_folder import read_manifest
from tasks.local_services import tracking_uri
from tasks.tracking import Tracker
from tests.flows.sweeps import request, stable_tree, write_model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    write_model(folder, 1.11)  # what is measured of it is counted: no other test may have done it
    return folder


@pytest.fixture(scope="module")
def result(embedded_home: Path, place: Path) -> NullSweepResult:
    return run_null_sweep(request(place))


def report_of(result: NullSweepResult) -> NullSweepReport:
    return NullSweepReport.model_validate_json(Path(result.report).read_bytes())


def test_the_folder_holds_the_files_of_the_contract(result: NullSweepResult) -> None:
    out = Path(result.out)
    runs = {
        f"runs/{tier}/seed_{seed}/report.json" for tier in ("balanced", "conservative") for seed in (1, 2)
    }
    expected = {
        "null_sweep_report.json",
        "null_sweep_runs.csv",
        "null_sweep_summary.md",
        "tiers_patch_spectral_null.yaml",
        "manifest.json",
        "configs/sweep_6.yaml",
        "configs/runtime/profiles/dev.yaml",
        "configs/runtime/tiers.yaml",
        "plots/z_by_module.svg",
        "plots/z_by_module.png",
    }
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == runs | expected
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []
    manifest = read_manifest(out)
    assert manifest is not None
    assert manifest.files == {name: sha256_file(out / name) for name in (runs | expected) - {"manifest.json"}}


def test_z_scores_are_those_of_a_full_svd(result: NullSweepResult) -> None:
    run = RunReport.model_validate_json((Path(result.out) / "runs/balanced/seed_1/report.json").read_bytes())
    model = open_checkpoint(str(Path(result.out).parent / "model"))
    sigma = {
        m.name: float(torch.linalg.svdvals(model.read(f"{m.name}.weight").double())[0])
        for m in run.spectral.modules
    }
    for module in run.spectral.modules:
        family = [sigma[other.name] for other in run.spectral.modules if other.family is module.family]
        mean = sum(family) / len(family)
        spread = (sum((value - mean) ** 2 for value in family) / len(family)) ** 0.5
        assert module.sigma == pytest.approx(sigma[module.name], rel=1e-4)
        assert module.z == pytest.approx((sigma[module.name] - mean) / spread, abs=2e-3)


def test_the_patch_holds_what_the_report_recommends_and_nothing_else(result: NullSweepResult) -> None:
    patch = yaml.safe_load(Path(result.patch).read_text())
    report = report_of(result)
    assert set(patch) == {"balanced", "conservative"}
    for tier, summary in report.summaries.items():
        assert set(patch[tier]) == {"spectral_guard"}
        assert patch[tier]["spectral_guard"] == summary.recommendations.model_dump(mode="json")
    header = [line for line in Path(result.patch).read_text().splitlines() if line.startswith("#")]
    assert f"# run: {result.run_key}" in header
    assert any(report.content_sha256 in line for line in header)
    assert any("UNSUPPORTED" in line for line in header)


def test_the_csv_has_a_row_for_each_run(result: NullSweepResult) -> None:
    rows = list(csv.DictReader((Path(result.out) / "null_sweep_runs.csv").open()))
    assert {(row["tier"], row["seed"]) for row in rows} == {
        (tier, seed) for tier in ("balanced", "conservative") for seed in ("1", "2")
    }
    assert {
        "caps_applied",
        "caps_exceeded",
        "selected_families",
        "max_z_ffn",
        "candidate_attn",
        "selected_embed",
    } <= set(rows[0])


def test_measurements_are_counted_and_equal_the_distinct_need(result: NullSweepResult) -> None:
    report = report_of(result)
    runs = [
        RunReport.model_validate_json(path.read_bytes())
        for path in Path(result.out).rglob("runs/*/*/report.json")
    ]
    windows = {loss.window_id for run in runs for loss in run.windows.preview + run.windows.final}
    tensors = {module.tensor_sha256 for run in runs for module in run.spectral.modules}
    assert report.measurements.window_losses == len(windows) == result.work.measured["window_loss"]
    assert report.measurements.tensor_statistics == len(tensors) == result.work.measured["tensor_stats"]
    assert report.measurements.window_losses_run_by_run == 2 * 2 * 12


EXPECTED_TASKS = Counter(
    {
        "open model": 1,
        "draw windows": 1,
        "measure weights": 1,
        "run windows seed 1": 1,
        "run windows seed 2": 1,
        "judge seed 1": 1,
        "judge seed 2": 1,
        "summarize balanced": 1,
        "summarize conservative": 1,
        "write patch and results": 1,
    }
)


def test_no_task_run_is_missing_or_left_running(result: NullSweepResult) -> None:
    assert result.links.prefect_url is not None
    flow_run_id = result.links.prefect_url.rsplit("/", 1)[-1]
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(flow_run_id).state_name == "Completed"
        filtered = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[flow_run_id]))
        deadline = time.monotonic() + 20
        # The client sends a task run's last state as an event; the server may be a moment behind.
        while True:
            task_runs = client.read_task_runs(task_run_filter=filtered)
            ended = Counter(
                re.sub(r"-[0-9a-f]{3}$|(?<=open ).*/", "", run.name)
                for run in task_runs
                if run.state_name == "Completed"
            )
            if ended.total() == EXPECTED_TASKS.total() or time.monotonic() > deadline:
                break
            time.sleep(0.2)
    assert ended == EXPECTED_TASKS
    assert len(task_runs) == EXPECTED_TASKS.total()


def test_every_run_is_in_mlflow_finished_and_verifiable(
    result: NullSweepResult, embedded_home: Path, tmp_path: Path
) -> None:
    client = MlflowClient(tracking_uri(embedded_home))
    parent = client.get_run(result.links.mlflow_run_id)
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert len(children) == 4
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}
    assert parent.data.tags["invarlock.patch_sha256"] == sha256_file(Path(result.patch))
    tracker = Tracker(embedded_home, "invarlock calibration")
    for path in ("null_sweep_report.json", "tiers_patch_spectral_null.yaml"):
        copy = tracker.download_verified(parent.info.run_id, path, tmp_path)
        assert copy.read_bytes() == (Path(result.out) / path).read_bytes()
    for child in children:
        tier, seed = child.data.params["tier"], child.data.params["seed"]
        copy = tracker.download_verified(child.info.run_id, "report.json", tmp_path)
        assert sha256_file(copy) == child.data.params["report_sha256"]
        assert copy.read_bytes() == (Path(result.out) / f"runs/{tier}/seed_{seed}/report.json").read_bytes()
    found = {run.run_id for run in tracker.find_runs("invarlock.patch_sha256", result.patch_sha256)}
    assert parent.info.run_id in found


def test_a_repeat_measures_nothing_and_gives_the_same_bytes(
    result: NullSweepResult, embedded_home: Path, place: Path
) -> None:
    client = MlflowClient(tracking_uri(embedded_home))
    experiment = client.get_run(result.links.mlflow_run_id).info.experiment_id
    before = len(client.search_runs([experiment]))
    again = run_null_sweep(request(place, "again"))
    assert again.work.measured["window_loss"] == again.work.measured["tensor_stats"] == 0
    assert stable_tree(Path(again.out)) == stable_tree(Path(result.out))
    assert report_of(again).content_sha256 == report_of(result).content_sha256
    assert again.links.mlflow_run_id == result.links.mlflow_run_id
    assert len(client.search_runs([experiment])) == before


def test_a_benign_null_moves_every_run_and_bounds_its_drift(
    result: NullSweepResult, embedded_home: Path, place: Path
) -> None:
    benign = run_null_sweep(
        request(place, "benign", seeds=(1, 2, 3), null=NullKind.BENIGN, cap_rule=CapRule.TOLERANCE)
    )
    report = report_of(benign)
    assert report.summaries["balanced"].evidence.n_effective == 3
    assert report.drift_caps is not None
    assert not report.drift_caps.supported
    assert "UNSUPPORTED (drift_caps)" in Path(benign.patch).read_text()
    for path in Path(benign.out).rglob("runs/balanced/*/report.json"):
        run = RunReport.model_validate_json(path.read_bytes())
        assert run.edit.name.startswith("benign:")
        assert run.model.digest != run.model.baseline_digest
        assert all(guard.passed for guard in run.guards if guard.name == "invariants")
        assert run.metrics.ratio_vs_baseline == pytest.approx(1, abs=0.02)
        assert run.metrics.ratio_vs_baseline != 1
    caps = yaml.safe_load(Path(benign.patch).read_text())["balanced"]["spectral_guard"]["drift_caps"]
    assert set(caps["ffn"]) == {"log_sigma", "relative_change", "edit_edge"}


def test_the_same_model_twice_is_no_pool(embedded_home: Path, place: Path) -> None:
    with pytest.raises(ConfigError, match="same weights"):
        run_null_sweep(request(place, "twice", models=(str(place / "model"), str(place / "model"))))


def test_the_same_weights_under_another_config_are_another_model(
    result: NullSweepResult, embedded_home: Path, place: Path
) -> None:
    other = place / "relu"
    shutil.copytree(place / "model", other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"activation_function": "relu"}))
    again = run_null_sweep(request(place, "relu-out", models=(str(other),), seeds=(1,)))
    assert again.work.measured["window_loss"] == 12
    assert again.work.measured["tensor_stats"] == 0
    assert again.run_key != result.run_key
    reports = [Path(folder) / "runs/balanced/seed_1/report.json" for folder in (result.out, again.out)]
    ours, theirs = (RunReport.model_validate_json(path.read_bytes()) for path in reports)
    assert ours.metrics.final != theirs.metrics.final


def test_how_paths_are_spelled_changes_nothing(
    result: NullSweepResult, embedded_home: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    spelled = request(place, "spelled").model_copy(
        update={"config": Path("sweep_6.yaml"), "out": Path("spelled")}
    )
    again = run_null_sweep(spelled)
    assert (again.run_key, again.patch_sha256) == (result.run_key, result.patch_sha256)
    assert again.links.mlflow_run_id == result.links.mlflow_run_id


SWEEP = """
import sys
from pathlib import Path
from flows.null_sweep import run_null_sweep
from tests.flows.sweeps import request
result = run_null_sweep(request(Path(sys.argv[1]), "killed", windows=int(sys.argv[2]), seeds=(1, 2, 3, 4)))
print(result.model_dump_json())
"""


@pytest.mark.parametrize(
    ("windows", "moments"), [(20, (30,)), pytest.param(60, (5, 60, 150), marks=pytest.mark.slow)]
)
def test_kill_at_any_moment_then_the_same_command(
    windows: int, moments: tuple[int, ...], embedded_home: Path, tmp_path: Path
) -> None:
    """Killed, again and again when ``moments`` window losses are there; what the last run leaves equals an undisturbed
    run in another home."""
    place = tmp_path
    home = tmp_path / "home"
    environment = os.environ | {"INVARLOCK_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SWEEP, str(place), str(windows)]
    losses = home / "measurements" / "window_loss"

    def kept() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in losses.rglob("[!.]*") if path.is_file()}

    for wanted in moments:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 120
        while len(kept()) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.poll() is None, process.communicate()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (place / "killed").exists()
    before = kept()
    assert len(before) >= moments[-1]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    killed = NullSweepResult.model_validate_json(finished.stdout.splitlines()[-1])
    after = kept()
    assert {path: after[path] for path in before} == before  # not one of them was measured again
    assert killed.work.measured["window_loss"] == len(after) - len(before)

    whole = run_null_sweep(request(place, "whole", windows=windows, seeds=(1, 2, 3, 4)))
    assert stable_tree(Path(killed.out)) == stable_tree(Path(whole.out))
    assert report_of(killed).content_sha256 == report_of(whole).content_sha256
    client = MlflowClient(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("invarlock calibration").experiment_id])
    assert len(runs) == 1 + 8
    with get_client(sync_client=True) as prefect:
        runs_of_all = prefect.read_flow_runs()
    assert not {run.state_name for run in runs_of_all} & {"Running", "Pending"}
    ours = Counter(run.state_name for run in runs_of_all if run.name == f"sweep_{windows} dev")
    assert ours == {"Crashed": len(moments), "Completed": 2}
    assert {run.info.status for run in runs} == {"FINISHED"}
