"""The RMT sweep against a real Prefect server, a real MLflow store and a real model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mlflow import MlflowClient
from transformers import AutoModelForCausalLM

from flows.rmt_sweep import run_rmt_sweep
from invarlock.calibration.rmt import summarize_rmt_sweep_reports
from invarlock.calibration.rmt_request import RmtNull
from invarlock.cli.rmt_sweep_view import show_rmt_sweep
from invarlock.config import load_sweep_config
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import build_pool
from invarlock.digests import sha256_file
from invarlock.families import Family
from invarlock.policy.diff import Direction, diff_files
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.reports.rmt_run_report import RmtRunReport
from invarlock.reports.rmt_sweep_report import RmtSweepReport
from invarlock.reports.rmt_sweep_result import RmtSweepResult
from invarlock.reports.sweep_folder import read_manifest
from tasks.local_services import tracking_uri
from tests.flows.sweeps import rmt_request, stable_tree

CELLS = {
    f"runs/{tier}/seed_{seed}/report.json" for tier in ("balanced", "conservative") for seed in (4, 5, 6)
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rmt-sweep")


@pytest.fixture(scope="module")
def result(embedded_home: Path, place: Path) -> RmtSweepResult:
    return run_rmt_sweep(rmt_request(place))


@pytest.fixture(scope="module")
def benign(result: RmtSweepResult, place: Path) -> RmtSweepResult:
    return run_rmt_sweep(rmt_request(place, "benign", null=RmtNull.BENIGN))


def runs_of(result: RmtSweepResult) -> dict[str, RmtRunReport]:
    out = Path(result.out)
    return {
        path.relative_to(out).as_posix(): RmtRunReport.model_validate_json(path.read_bytes())
        for path in sorted(out.rglob("runs/*/*/report.json"))
    }


def report_of(result: RmtSweepResult) -> RmtSweepReport:
    return RmtSweepReport.model_validate_json(Path(result.report).read_bytes())


def test_the_folder_holds_the_files_of_the_contract(result: RmtSweepResult) -> None:
    out = Path(result.out)
    expected = {
        "rmt_sweep_report.json",
        "rmt_sweep_runs.csv",
        "rmt_sweep_summary.md",
        "tiers_patch_rmt_epsilon.yaml",
        "manifest.json",
        "configs/sweep_9.yaml",
        "configs/runtime/profiles/dev.yaml",
        "configs/runtime/tiers.yaml",
        "plots/delta_by_family.svg",
        "plots/delta_by_family.png",
    }
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == CELLS | expected
    manifest = read_manifest(out)
    assert manifest is not None
    assert manifest.kind == report_of(result).kind == "rmt_epsilon_sweep"
    assert manifest.files == {
        name: sha256_file(out / name) for name in (CELLS | expected) - {"manifest.json"}
    }


def test_a_run_compares_eight_preview_windows_with_eight_final_ones(result: RmtSweepResult) -> None:
    for run in runs_of(result).values():
        base, current = (
            {loss.window_id for loss in part} for part in (run.windows.baseline, run.windows.current)
        )
        assert (len(base), len(current), base & current) == (8, 8, set())
        assert run.rmt.baseline_windows is not None
        assert (set(run.rmt.baseline_windows), set(run.rmt.windows)) == (base, current)
        assert (run.data.preview_windows, run.data.final_windows, run.data.underpowered) == (8, 8, None)
        assert run.model.digest == run.model.baseline_digest


def test_edge_risks_are_those_of_full_svds_of_the_activations(result: RmtSweepResult, place: Path) -> None:
    run = runs_of(result)["runs/balanced/seed_4/report.json"]
    request = rmt_request(place)
    spec = load_sweep_config(request.config)
    pool = build_pool(spec.dataset, load_tokenizer(spec.model.id), allow_network=False)
    model = AutoModelForCausalLM.from_pretrained(spec.model.id).eval()
    site = "transformer.h.1.mlp.c_fc"
    seen: list[torch.Tensor] = []
    model.get_submodule(site).register_forward_hook(lambda _module, _inputs, output: seen.append(output[0]))
    assert run.rmt.baseline_windows is not None
    means = []
    for ids in (run.rmt.baseline_windows, run.rmt.windows):
        seen.clear()
        with torch.inference_mode():
            for window in pool.select(ids):
                model(input_ids=torch.tensor(window.tokens.tolist())[None])
        matrices = [(a - a.mean()) / a.std(correction=0) for a in map(torch.Tensor.double, seen)]
        risks = [float(torch.linalg.svdvals(a)[0]) / sum(np.sqrt(a.shape)) for a in matrices]
        means.append(np.mean(risks))
    edge = run.rmt.modules[site]
    assert (edge.edge_base, edge.edge_cur) == pytest.approx(tuple(means), rel=1e-4)


def test_the_patch_holds_what_the_report_recommends_and_nothing_else(result: RmtSweepResult) -> None:
    patch, report = yaml.safe_load(Path(result.patch).read_text()), report_of(result)
    assert report.summaries["balanced"].recommendations.epsilon_by_family[Family.ATTN] == 0.0
    for tier, summary in report.summaries.items():
        epsilons = summary.recommendations.model_dump(mode="json")["epsilon_by_family"]
        assert patch[tier] == {"rmt_guard": {"epsilon_by_family": epsilons}}
        for family, epsilon in epsilons.items():
            deltas = [run.rmt.families[Family(family)].delta for run in runs_of(result).values()]
            assert 0 <= epsilon - max(0.0, *deltas) <= 1.000001e-6
    header = [line for line in Path(result.patch).read_text().splitlines() if line.startswith("#")]
    assert f"# run: {result.run_key}" in header
    assert any("UNSUPPORTED (balanced)" in line and "59 independent runs" in line for line in header)
    changes = diff_files(live_tiers_path(), Path(result.patch))
    assert {change.direction for change in changes} <= {Direction.LOOSENING, Direction.TIGHTENING}
    assert all(".rmt_guard.epsilon_by_family." in change.path for change in changes)


def test_the_public_summary_of_the_reports_on_disk_is_the_sweeps_own(result: RmtSweepResult) -> None:
    for tier, summary in report_of(result).summaries.items():
        paths = sorted(Path(result.out).rglob(f"runs/{tier}/*/report.json"))
        again = summarize_rmt_sweep_reports([json.loads(path.read_bytes()) for path in paths], tier=tier)
        assert again == summary.model_dump(mode="json")


def test_the_csv_has_a_row_for_each_run(result: RmtSweepResult) -> None:
    rows = list(csv.DictReader((Path(result.out) / "rmt_sweep_runs.csv").open()))
    assert len(rows) == len(CELLS)
    for row in rows:
        run = runs_of(result)[f"runs/{row['tier']}/seed_{row['seed']}/report.json"]
        edge = run.rmt.families[Family.ATTN]
        assert (float(row["edge_base_attn"]), float(row["delta_attn"])) == (edge.edge_base, edge.delta)
        assert row["epsilon_violations"] == " ".join(family.value for family in run.rmt.epsilon_violations)


def test_each_window_is_run_once_for_all_tiers_and_both_nulls(
    result: RmtSweepResult, benign: RmtSweepResult
) -> None:
    runs = runs_of(result).values()
    windows = {loss.window_id for run in runs for loss in run.windows.baseline + run.windows.current}
    counts = report_of(result).measurements
    assert (
        counts.window_losses
        == result.work.measured["edge_risk"]
        == result.work.forward_passes
        == len(windows)
    )
    assert counts.window_losses_run_by_run == 2 * 3 * 16
    needed = {
        (digest, loss.window_id)
        for run in runs_of(benign).values()
        for digest in (run.model.digest, run.model.baseline_digest)
        for loss in run.windows.current
    }
    [baseline] = {run.model.baseline_digest for run in runs}
    assert benign.work.forward_passes == len(needed - {(baseline, window) for window in windows})


def test_a_repeat_runs_nothing_and_gives_the_same_bytes(
    result: RmtSweepResult, embedded_home: Path, place: Path
) -> None:
    again = run_rmt_sweep(rmt_request(place, "again"))
    assert again.work.forward_passes == sum(again.work.measured.values()) == 0
    assert stable_tree(Path(again.out)) == stable_tree(Path(result.out))
    assert again.links.mlflow_run_id == result.links.mlflow_run_id


def test_every_run_is_in_mlflow(result: RmtSweepResult, embedded_home: Path) -> None:
    client = MlflowClient(tracking_uri(embedded_home))
    parent = client.get_run(result.links.mlflow_run_id)
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    children = client.search_runs([parent.info.experiment_id], query)
    assert len(children) == len(CELLS)
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}
    assert parent.data.params["null"] == "redraw"
    summary = report_of(result).summaries["balanced"]
    for family, epsilon in summary.recommendations.epsilon_by_family.items():
        assert parent.data.metrics[f"balanced.epsilon_{family.value}"] == epsilon
    runs = runs_of(result)
    for child in children:
        run = runs[f"runs/{child.data.params['tier']}/seed_{child.data.params['seed']}/report.json"]
        assert child.data.metrics["delta_ffn"] == run.rmt.families[Family.FFN].delta


def test_a_benign_null_compares_on_the_same_windows_and_is_far_narrower(
    result: RmtSweepResult, benign: RmtSweepResult
) -> None:
    for run in runs_of(benign).values():
        assert run.edit.name.startswith("benign:")
        assert run.model.digest != run.model.baseline_digest
        assert run.rmt.baseline_windows is None
        assert [w.window_id for w in run.windows.baseline] == [w.window_id for w in run.windows.current]
        assert len(run.windows.current) == 8
    ours, theirs = (report_of(r).summaries["balanced"] for r in (benign, result))
    assert (ours.paired, theirs.paired) == (True, False)
    widest = max(ours.recommendations.epsilon_by_family.values())
    assert 0 < widest < max(theirs.recommendations.epsilon_by_family.values()) / 5


def test_a_person_reads_what_is_unsupported_and_what_to_do(
    result: RmtSweepResult, benign: RmtSweepResult, capsys: pytest.CaptureFixture[str]
) -> None:
    show_rmt_sweep(result)
    shown = " ".join(capsys.readouterr().out.split())
    assert "UNSUPPORTED" in shown
    assert "--n-seeds 59 --fresh" in shown
    assert "3/59" in shown
    assert "loosens" in shown
    assert "--null benign bounds what an evaluation compares" in shown
    show_rmt_sweep(benign)
    shown = " ".join(capsys.readouterr().out.split())
    assert "tightens" in shown
    assert "as an evaluation compares them" in shown
