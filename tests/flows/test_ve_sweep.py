"""The VE sweep against a real Prefect server, a real MLflow store and a really quantized model."""

from __future__ import annotations

import copy
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mlflow import MlflowClient
from transformers import AutoModelForCausalLM, PreTrainedModel

from flows.ve_sweep import run_ve_sweep
from invarlock.calibration.ve import summarize_ve_sweep_reports
from invarlock.calibration.ve_records import MinEffectRule
from invarlock.cli.ve_sweep_view import show_ve_sweep
from invarlock.config import load_sweep_config
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import Window, build_pool
from invarlock.digests import sha256_file
from invarlock.errors import ConfigError, DataError
from invarlock.guards.predictive_gate import GateReason
from invarlock.policy.diff import diff_files
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.reports.enablement import check_enablement
from invarlock.reports.sweep_folder import read_manifest
from invarlock.reports.ve_run_report import VeRunReport
from invarlock.reports.ve_sweep_report import VeSweepReport
from invarlock.reports.ve_sweep_result import VeSweepResult
from tasks.local_services import tracking_uri
from tests.flows.sweeps import stable_tree, ve_request

CELLS = {
    f"runs/{tier}/windows_{windows}/seed_{seed}/report.json"
    for tier in ("balanced", "conservative")
    for windows in (6, 8)
    for seed in (1, 2, 3)
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ve-sweep")


@pytest.fixture(scope="module")
def result(embedded_home: Path, place: Path) -> VeSweepResult:
    return run_ve_sweep(ve_request(place))


def runs_of(result: VeSweepResult) -> dict[str, VeRunReport]:
    out = Path(result.out)
    found = sorted(out.rglob("report.json"))
    return {
        path.relative_to(out).as_posix(): VeRunReport.model_validate_json(path.read_bytes()) for path in found
    }


def report_of(result: VeSweepResult) -> VeSweepReport:
    return VeSweepReport.model_validate_json(Path(result.report).read_bytes())


def test_the_folder_holds_the_files_of_the_contract(result: VeSweepResult) -> None:
    out = Path(result.out)
    expected = CELLS | {
        "ve_sweep_report.json",
        "ve_sweep_runs.csv",
        "ve_power_curve.csv",
        "ve_sweep_summary.md",
        "tiers_patch_variance_ve.yaml",
        "manifest.json",
        "configs/edited_6.yaml",
        "configs/runtime/profiles/dev.yaml",
        "configs/runtime/tiers.yaml",
        *(f"plots/{name}.{ending}" for name in ("power_curve", "gains") for ending in ("svg", "png")),
    }
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == expected
    manifest = read_manifest(out)
    assert manifest is not None
    assert manifest.files == {name: sha256_file(out / name) for name in expected - {"manifest.json"}}


def test_every_run_has_the_fields_of_seed_003_and_passes_the_lint(result: VeSweepResult) -> None:
    for name in CELLS:
        report = json.loads((Path(result.out) / name).read_bytes())
        (metrics,) = (guard["metrics"] for guard in report["guards"] if guard["name"] == "variance")
        assert {"enabled", "target_modules", "proposed_scales", "scope", "tap"} <= metrics.keys()
        assert {"evaluated", "passed", "reason", "delta_ci", "gain_ci", "mean_delta", "ci_method"} <= metrics[
            "predictive_gate"
        ].keys()
        ab_test = metrics["ab_test"]
        assert ab_test["windows_used"] == int(name.split("windows_")[1].split("/")[0])
        for arm in ("condition_a", "condition_b"):
            assert {
                "window_ids",
                "tag",
                "target_fingerprint",
                "dataset_hash",
                "tokenizer_hash",
                "model_digest",
            } <= ab_test["provenance"][arm].keys()
        assert {"predictive_one_sided", "min_effect_lognll", "max_adjusted_modules"} <= report[
            "resolved_policy"
        ]["variance"].keys()
        assert check_enablement(report) == ()


def test_both_arms_are_what_plain_torch_gives(result: VeSweepResult, place: Path) -> None:
    """Quantized here by numpy, scaled by multiplying the weight, run by transformers alone."""
    run = runs_of(result)["runs/conservative/windows_8/seed_1/report.json"]
    config = load_sweep_config(place / "edited_6.yaml")
    pool = build_pool(config.dataset, load_tokenizer(place / "model"))
    base = AutoModelForCausalLM.from_pretrained(place / "model", dtype=torch.float32).eval()
    edited = copy.deepcopy(base)
    for layer in edited.transformer.h:
        for projection in (layer.mlp.c_fc, layer.mlp.c_proj):
            projection.weight.data = quantized(projection.weight.data)
    equalized = copy.deepcopy(edited)
    assert run.variance.proposed_scales
    for module, factor in run.variance.proposed_scales.items():
        equalized.get_submodule(module).weight.data *= factor
    windows = pool.select([loss.window_id for loss in run.windows.baseline])
    plain = [[mean_nll(model, window) for window in windows] for model in (base, edited, equalized)]
    arms = (run.windows.baseline, run.windows.edited, run.windows.equalized)
    ours = [[loss.nll / loss.tokens for loss in losses] for losses in arms]
    # A weight half-way between two levels can fall either way: the quantiles differ in their last bits.
    assert np.allclose(ours, plain, rtol=1e-4)
    assert np.allclose(ours[0], plain[0], rtol=1e-6)
    moved = np.subtract(ours[2], ours[1])
    assert np.allclose(moved, np.subtract(plain[2], plain[1]), atol=2e-5)
    assert np.abs(moved).max() > 2e-4


def mean_nll(model: PreTrainedModel, window: Window) -> float:
    tokens = torch.tensor(window.tokens.tolist())[None]
    with torch.inference_mode():
        return float(model(tokens, labels=tokens).loss)


def quantized(weight: torch.Tensor) -> torch.Tensor:
    """3-bit RTN by output channel, a tenth clipped, kept in float16 as the file is; the weight is (in, out)."""
    columns = weight.numpy()
    low, high = np.quantile(columns, [0.05, 0.95], axis=0)
    clipped = np.clip(columns, low, high)
    step = np.abs(clipped).max(axis=0) / 3
    return torch.from_numpy((np.clip(np.round(clipped / step), -3, 3) * step).astype(np.float16)).float()


def test_the_patch_is_what_the_public_summary_gives(result: VeSweepResult) -> None:
    patch = yaml.safe_load(Path(result.patch).read_text())
    assert set(patch) == {"balanced", "conservative"}
    for tier, keys in patch.items():
        reports = [
            json.loads((Path(result.out) / name).read_bytes())
            for name in sorted(CELLS)
            if f"/{tier}/" in name
        ]
        summary = summarize_ve_sweep_reports(reports, tier=tier, predictive_one_sided=tier == "balanced")
        assert keys == {
            "variance_guard": {"min_effect_lognll": summary["recommendations"]["min_effect_lognll"]}
        }
    assert f"# run: {result.run_key}" in Path(result.patch).read_text().splitlines()


def test_csv_files(result: VeSweepResult) -> None:
    rows = list(csv.DictReader((Path(result.out) / "ve_sweep_runs.csv").open()))
    assert list(rows[0])[:9] == [
        "tier",
        "seed",
        "windows",
        "predictive_evaluated",
        "predictive_mean_delta",
        "predictive_delta_ci_lo",
        "predictive_delta_ci_hi",
        "predictive_ci_width",
        "predictive_reason",
    ]
    assert {
        f"runs/{row['tier']}/windows_{row['windows']}/seed_{row['seed']}/report.json" for row in rows
    } == CELLS
    curve = list(csv.DictReader((Path(result.out) / "ve_power_curve.csv").open()))
    assert list(curve[0]) == ["tier", "windows", "runs", "mean_ci_width", "sigma_hat", "half_width"]
    assert len(curve) == 2 * 2


def test_each_distinct_pass_was_run_once(result: VeSweepResult) -> None:
    report, runs = report_of(result), runs_of(result)
    passes = set()
    for run in runs.values():
        digests = run.variance.ab_test.provenance
        passes |= {(run.model.baseline_digest, loss.window_id) for loss in run.windows.baseline}
        passes |= {(run.model.digest, loss.window_id) for loss in run.windows.edited}
        assert digests.condition_b is not None
        passes |= {(digests.condition_b.model_digest, loss.window_id) for loss in run.windows.equalized}
    assert report.measurements.window_losses == len(passes) == result.work.measured["window_loss"]
    assert result.work.forward_passes <= len(passes)
    assert report.measurements.window_losses_run_by_run == 3 * 2 * 3 * (6 + 8)


def test_a_repeat_runs_nothing_and_gives_the_same_bytes(
    result: VeSweepResult, embedded_home: Path, place: Path
) -> None:
    again = run_ve_sweep(ve_request(place, "again"))
    assert set(again.work.measured.values()) == {0}
    assert again.work.forward_passes == 0
    assert stable_tree(Path(again.out)) == stable_tree(Path(result.out))
    assert again.links.mlflow_run_id == result.links.mlflow_run_id
    client = MlflowClient(tracking_uri(embedded_home))
    parent = client.get_run(result.links.mlflow_run_id)
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert len(children) == len(CELLS)
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}


SWEEP = """
import sys
from pathlib import Path
from flows.ve_sweep import run_ve_sweep
from tests.flows.sweeps import ve_request
print(run_ve_sweep(ve_request(Path(sys.argv[1]), "elsewhere")).model_dump_json())
"""


@pytest.mark.slow
def test_an_empty_store_gives_the_same_bytes(
    result: VeSweepResult, embedded_home: Path, place: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    environment = os.environ | {
        "INVARLOCK_HOME": str(home),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home / "results"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    ran = subprocess.run(
        [sys.executable, "-c", SWEEP, str(place)], env=environment, capture_output=True, text=True, check=True
    )
    elsewhere = VeSweepResult.model_validate_json(ran.stdout.splitlines()[-1])
    assert elsewhere.work.measured["window_loss"] == report_of(result).measurements.window_losses
    assert Path(elsewhere.patch).read_bytes() == Path(result.patch).read_bytes()
    assert stable_tree(Path(elsewhere.out)) == stable_tree(Path(result.out))


@pytest.mark.parametrize("rule", MinEffectRule)
def test_a_tier_without_a_measured_gain_is_left_out_of_the_patch(
    rule: MinEffectRule, embedded_home: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = "{name: quant_rtn, plan: {bitwidth: 8}}"  # moves no branch beyond a deadband: no scale, no gate
    nothing = run_ve_sweep(ve_request(place, f"fine-{rule}", edit=fine, seeds=(1,), rule=rule))
    assert yaml.safe_load(Path(nothing.patch).read_text()) == {}
    assert "LEFT OUT (conservative)" in Path(nothing.patch).read_text()
    assert [(row.rule, row.min_effect, row.enable_rate) for row in nothing.rows] == [(rule, None, None)] * 2
    assert (Path(nothing.out) / "ve_sweep_summary.md").read_text().count("| nothing measured |") == 2
    show_ve_sweep(nothing)
    assert capsys.readouterr().out.count("unmeasured") == 2
    run = MlflowClient(tracking_uri(embedded_home)).get_run(nothing.links.mlflow_run_id)
    assert "balanced.enable_rate_now" in run.data.metrics
    assert "balanced.min_effect_lognll" not in run.data.metrics
    assert diff_files(live_tiers_path(), Path(nothing.patch)) == ()
    reasons = {run.variance.predictive_gate.reason for run in runs_of(nothing).values()}
    assert reasons == {GateReason.NO_SCALES}


def test_the_half_width_of_two_windows_and_one_seed(embedded_home: Path, place: Path) -> None:
    smallest = run_ve_sweep(ve_request(place, "two", windows=(2,), seeds=(1,), rule=MinEffectRule.HALF_WIDTH))
    points = {point.tier: point for point in report_of(smallest).power_curve}
    patch = yaml.safe_load(Path(smallest.patch).read_text())
    assert patch.keys() == points.keys()
    for tier, z in (("balanced", 1.6448536269514722), ("conservative", 1.959963984540054)):
        run = runs_of(smallest)[f"runs/{tier}/windows_2/seed_1/report.json"]
        arms = (run.windows.edited, run.windows.equalized)
        plain, scaled = ([loss.nll / loss.tokens for loss in losses] for losses in arms)
        width = z * np.std(np.subtract(scaled, plain), ddof=1) / np.sqrt(2)
        assert points[tier].half_width == pytest.approx(width)
        assert patch[tier]["variance_guard"]["min_effect_lognll"] == pytest.approx(width, abs=1.01e-6)


def test_more_windows_than_the_data_holds(embedded_home: Path, place: Path) -> None:
    with pytest.raises(DataError, match=r"too little data: \d+ windows"):
        run_ve_sweep(ve_request(place, "large", tiers=(Tier.BALANCED,), windows=(200,)))


def test_more_windows_than_the_pool_may_hold(embedded_home: Path, place: Path) -> None:
    with pytest.raises(ConfigError, match="201 is more than the 200 windows"):
        run_ve_sweep(ve_request(place, "larger", windows=(201,)))
