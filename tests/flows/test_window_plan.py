"""The window plan against a real Prefect server, a real MLflow store and a really quantized model."""

from __future__ import annotations

import csv
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from scipy.stats import norm
from transformers import AutoModelForCausalLM

from flows.window_plan import run_window_plan
from invarlock.cli.window_plan_view import show_window_plan
from invarlock.config import load_sweep_config
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import build_pool
from invarlock.digests import sha256_file
from invarlock.measure.window_timing import TIMED
from invarlock.policy.profiles import load_profile
from invarlock.reports.sweep_folder import read_manifest
from invarlock.reports.window_plan_report import WindowPlanReport
from invarlock.reports.window_plan_result import WindowPlanResult
from invarlock.reports.window_run_report import WindowRunReport
from tasks.draw_first_windows import draw_first_windows
from tasks.local_services import tracking_uri
from tests.flows.sweeps import stable_tree, window_request

CELLS = {f"runs/{tier}/seed_3/report.json" for tier in ("balanced", "conservative")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("window-plan")


@pytest.fixture(scope="module")
def result(embedded_home: Path, place: Path) -> WindowPlanResult:
    return run_window_plan(window_request(place))


def report_of(result: WindowPlanResult) -> WindowPlanReport:
    return WindowPlanReport.model_validate_json(Path(result.report).read_bytes())


def run_of(result: WindowPlanResult, tier: str) -> WindowRunReport:
    path = Path(result.out) / f"runs/{tier}/seed_3/report.json"
    return WindowRunReport.model_validate_json(path.read_bytes())


def test_the_folder_holds_the_files_of_the_contract(result: WindowPlanResult) -> None:
    out = Path(result.out)
    expected = CELLS | {
        "window_plan_report.json",
        "window_plan.csv",
        "window_plan_summary.md",
        "manifest.json",
        "configs/edited_6.yaml",
        "configs/runtime/profiles/dev.yaml",
        "configs/runtime/tiers.yaml",
        "plots/half_width.svg",
        "plots/half_width.png",
    }
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == expected
    manifest = read_manifest(out)
    assert manifest is not None
    assert manifest.files == {name: sha256_file(out / name) for name in expected - {"manifest.json"}}


@pytest.mark.parametrize(("tier", "tail"), [("balanced", 0.05), ("conservative", 0.025)])
def test_the_plan_is_seed_001s_formula_on_the_losses_of_its_run(
    result: WindowPlanResult, tier: str, tail: float
) -> None:
    run, plan = run_of(result, tier), report_of(result).summaries[tier]
    assert run.plan == plan
    both = zip(run.windows.edited, run.windows.baseline, strict=True)
    deltas = [edited.nll / edited.tokens - baseline.nll / baseline.tokens for edited, baseline in both]
    assert len({loss.tokens for loss in run.windows.baseline}) == 1  # else the mean would be weighted
    sigma = statistics.stdev(deltas)
    assert plan.sigma_hat == pytest.approx(sigma, rel=1e-9)
    assert plan.windows_needed == math.ceil((norm.isf(tail) * sigma / 0.001) ** 2)
    assert plan.profiles["release"].half_width == pytest.approx(norm.isf(tail) * sigma / 20)
    names = ("ci", "ci_cpu", "release")
    assert {name: plan.profiles[name].windows for name in names} == {
        name: load_profile(name).final_n for name in names
    }
    assert plan.profiles["dev"].windows == 6  # the config's own count


def test_losses_are_what_plain_torch_gives(result: WindowPlanResult, place: Path) -> None:
    run = run_of(result, "balanced")
    model = AutoModelForCausalLM.from_pretrained(place / "model", dtype=torch.float32).eval()
    pool = build_pool(load_sweep_config(place / "edited_6.yaml").dataset, load_tokenizer(place / "model"))
    for loss in run.windows.baseline[:3]:
        tokens = torch.tensor(pool.select([loss.window_id])[0].tokens.tolist())[None]
        with torch.inference_mode():
            assert loss.nll / loss.tokens == pytest.approx(float(model(tokens, labels=tokens).loss), rel=1e-6)


def test_windows_are_the_first_of_the_seeds_permutation(result: WindowPlanResult, place: Path) -> None:
    pool = build_pool(load_sweep_config(place / "edited_6.yaml").dataset, load_tokenizer(place / "model"))
    order = np.random.default_rng(3).permutation(len(pool.windows))
    drawn = [loss.window_id for loss in run_of(result, "balanced").windows.baseline]
    assert drawn == [pool.windows[place].id for place in order[:40]]


def test_each_window_was_run_once_and_some_more_were_timed(result: WindowPlanResult) -> None:
    report = report_of(result)
    assert report.measurements.window_losses == result.work.measured["window_loss"] == 2 * 40
    assert report.measurements.window_losses_run_by_run == 2 * 2 * 40
    timing = report.volatile.timing
    assert timing.windows == TIMED
    assert result.work.forward_passes == 2 * 40 + TIMED + 1
    assert 0 < timing.seconds_per_window < sum(result.work.seconds.values())
    row = result.rows[0]
    assert row.seconds == pytest.approx(2 * row.windows * timing.seconds_per_window)


def test_csv(result: WindowPlanResult) -> None:
    rows = list(csv.DictReader((Path(result.out) / "window_plan.csv").open()))
    assert {row["point"] for row in rows if row["tier"] == "balanced"} == {
        *("curve", "knee", "recommended", "all data"),
        *(f"profile {name}" for name in ("ci", "ci_cpu", "dev", "release")),
    }
    plan = report_of(result).summaries["conservative"]
    (recommended,) = (row for row in rows if (row["tier"], row["point"]) == ("conservative", "recommended"))
    assert int(recommended["windows"]) == plan.recommended.windows
    assert int(recommended["passes"]) == 2 * plan.recommended.windows
    first = next(row for row in rows if row["windows"] == "40")
    assert float(first["bca_half_width"]) > 0
    assert {row["bca_half_width"] for row in rows if int(row["windows"]) > 40} == {""}


def test_a_repeat_runs_nothing_and_gives_the_same_bytes(
    result: WindowPlanResult, embedded_home: Path, place: Path
) -> None:
    again = run_window_plan(window_request(place, "again"))
    assert set(again.work.measured.values()) == {0}
    assert again.work.forward_passes == 0
    assert stable_tree(Path(again.out)) == stable_tree(Path(result.out))
    assert report_of(again).volatile.timing == report_of(result).volatile.timing
    assert again.links.mlflow_run_id == result.links.mlflow_run_id
    client = MlflowClient(tracking_uri(embedded_home))
    parent = client.get_run(result.links.mlflow_run_id)
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert len(children) == len(CELLS)
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}
    needed = report_of(result).summaries["balanced"].windows_needed
    assert parent.data.metrics["balanced.windows_needed"] == needed
    assert "patch_sha256" not in parent.data.params


PLAN = """
import sys
from pathlib import Path
from flows.window_plan import run_window_plan
from tests.flows.sweeps import window_request
print(run_window_plan(window_request(Path(sys.argv[1]), "elsewhere")).model_dump_json())
"""


@pytest.mark.slow
def test_an_empty_store_gives_the_same_bytes(result: WindowPlanResult, place: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = os.environ | {
        "INVARLOCK_HOME": str(home),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home / "results"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    ran = subprocess.run(
        [sys.executable, "-c", PLAN, str(place)], env=environment, capture_output=True, text=True, check=True
    )
    elsewhere = WindowPlanResult.model_validate_json(ran.stdout.splitlines()[-1])
    assert elsewhere.work.measured["window_loss"] == 2 * 40
    assert stable_tree(Path(elsewhere.out)) == stable_tree(Path(result.out))


@pytest.mark.parametrize("most", [40, 10_000])
def test_without_a_count_it_takes_what_there_is(most: int, result: WindowPlanResult, place: Path) -> None:
    dataset = load_sweep_config(place / "edited_6.yaml").dataset
    drawn = draw_first_windows.fn(str(place / "model"), dataset, seed=3, most=most, allow_network=False)
    windows = drawn.schedules[3].final
    assert len(windows) == min(most, drawn.available)
    assert list(windows[:40]) == [loss.window_id for loss in run_of(result, "balanced").windows.baseline]


def test_the_terminal_says_what_to_change_where(
    result: WindowPlanResult, capsys: pytest.CaptureFixture[str]
) -> None:
    show_window_plan(result)
    printed = " ".join(capsys.readouterr().out.split())
    plans = report_of(result).summaries
    reach = plans["conservative"].most.half_width
    assert f"the data: give {2 * plans['conservative'].recommended.windows:,} windows of text" in printed
    assert f"--target-half-width {math.ceil(reach * 1e6) / 1e6:g}" in printed


@pytest.mark.parametrize(
    ("enough", "says"),
    [
        (
            ("release",),
            "change nothing: evaluate with --profile release; or set preview_n and final_n to 300",
        ),
        ((), "change set preview_n and final_n to 300 in configs/runtime/profiles/<profile>.yaml"),
    ],
)
def test_where_the_data_suffice_it_names_profiles(
    enough: tuple[str, ...], says: str, result: WindowPlanResult, capsys: pytest.CaptureFixture[str]
) -> None:
    row = result.rows[0].model_copy(update={"windows": 300, "enough": enough})
    show_window_plan(result.model_copy(update={"rows": (row,)}))
    assert says in " ".join(capsys.readouterr().out.split())
