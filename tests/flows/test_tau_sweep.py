"""The tau sweep on a real Prefect server and a real MLflow store, and the promotion of what it recommends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

from flows.tau_sweep import run_tau_sweep, tau_sweep
from invarlock.calibration.tau_plan import settle_tau_sweep
from invarlock.calibration.tau_request import TauSweepRequest
from invarlock.digests import sha256_file
from invarlock.policy.resolution import resolve_policy
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.reports.sweep_folder import read_manifest
from invarlock.reports.tau_sweep_report import TauSweepReport
from invarlock.reports.tau_sweep_result import TauSweepResult
from invarlock.stats.exact import most_events
from invarlock.tau.errors import TauError
from tasks.local_services import tracking_uri
from tasks.tracking import Tracker
from tests.calibration.tau_samples import drawn, saved
from tests.cli.run_cli import Ran, run_cli
from tests.flows.sweeps import stable_tree
from tests.promotion.config_root import shipped_root

FILES = {
    "tau_infer_sweep.json",
    "tau_infer_sweep.md",
    "tau_infer_sweep.csv",
    "tau_sweep_report.json",
    "tau_sweep_summary.md",
    "tiers_patch_tau.yaml",
    "manifest.json",
    "configs/tau_sweep.json",
    "configs/runtime/tiers.yaml",
    "plots/tau_infer_sweep.svg",
    "plots/tau_infer_sweep.png",
}
HEAD = "dose-head-3"


def request(folder: Path, name: str = "out", **changes: object) -> TauSweepRequest:
    q_abs, labels = saved(folder, *drawn())
    values = {"q_abs": q_abs, "labels": labels, "max_fp": 0.01, "head": HEAD, "out": folder / name}
    said = {"rows_are_samples": "ids" not in changes}
    return TauSweepRequest.model_validate({**values, **said, "tau_train_multiple": 4.0, **changes})


def report_of(result: TauSweepResult) -> TauSweepReport:
    return TauSweepReport.model_validate_json(Path(result.report).read_bytes())


def states_of(result: TauSweepResult) -> dict[str, str]:
    """Task to the name of its final state."""
    flow_run = str(result.links.prefect_url).rsplit("/", 1)[-1]
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run])))
    return {run.name.rsplit("-", 1)[0]: str(run.state_name) for run in runs}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tau-sweep")


@pytest.fixture(scope="module")
def result(embedded_home: Path, place: Path) -> TauSweepResult:
    return run_tau_sweep(request(place))


def test_the_folder_holds_the_files_of_the_contract(result: TauSweepResult) -> None:
    out = Path(result.out)
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == FILES
    manifest = read_manifest(out)
    assert manifest is not None
    assert manifest.files == {name: sha256_file(out / name) for name in FILES - {"manifest.json"}}
    assert manifest.run_key == result.run_key
    assert manifest.config_sha256 == manifest.files["configs/tau_sweep.json"]


def test_the_report_says_what_plain_numpy_finds(result: TauSweepResult, place: Path) -> None:
    report = report_of(result)
    curves = json.loads((Path(result.out) / "tau_infer_sweep.json").read_text())
    choice, evaluation = report.calibration.recommendation, report.calibration.evaluation
    q_abs, labels = np.load(place / "q.npy"), np.load(place / "in_range.npy")
    tau = np.float32(result.tau_infer)
    accepted = int((q_abs[~labels] >= tau).sum())
    assert choice.calibration.fp_cens_count + evaluation.fp_cens_count == accepted
    assert choice.calibration.fp_cens_count == choice.k == most_events(0.01, curves["n_cens"])
    assert choice.n_cens + evaluation.n_cens == (~labels).sum()
    below = (q_abs[~labels] >= np.nextafter(tau, np.float32(0))).sum()
    assert below == accepted + 1  # one step down, and one more would be accepted than may be
    assert report.tau_train.tau_train == result.tau_train == 4 * tau
    assert report.sweep_sha256 == sha256_file(Path(result.out) / "tau_infer_sweep.json")
    assert curves["provenance"]["files"]["q_abs"] == {"name": "q.npy", "sha256": sha256_file(place / "q.npy")}


def test_a_repeat_measures_nothing_and_gives_the_same_bytes(result: TauSweepResult, place: Path) -> None:
    moved = place / "elsewhere"
    moved.mkdir()
    files = {name: shutil.copy(place / f"{name}.npy", moved / f"{name}.npy") for name in ("q", "in_range")}
    again = run_tau_sweep(
        request(place, "again").model_copy(update={"q_abs": files["q"], "labels": files["in_range"]})
    )
    assert states_of(result)["calibrate tau"] == "Completed"
    assert states_of(again)["calibrate tau"] == "Cached"
    assert stable_tree(Path(again.out)) == stable_tree(Path(result.out))
    assert again.patch_sha256 == result.patch_sha256
    assert again.links.mlflow_run_id == result.links.mlflow_run_id  # the same work, one run


def test_mlflow_keeps_params_metrics_hashes_and_sealed_files(
    result: TauSweepResult, embedded_home: Path, tmp_path: Path
) -> None:
    run = MlflowClient(tracking_uri(embedded_home)).get_run(result.links.mlflow_run_id)
    assert run.data.params["q_abs_sha256"] == report_of(result).provenance.samples["q_abs"]
    assert run.data.params["patch_sha256"] == result.patch_sha256
    assert (run.data.params["max_fp"], run.data.params["head"]) == ("0.01", HEAD)
    assert run.data.metrics["tau_infer"] == result.tau_infer
    assert run.data.metrics["evaluation.fp_cens"] == result.splits["evaluation"].fp_cens
    assert run.data.tags["invarlock.run_key"] == result.run_key
    tracker = Tracker(embedded_home, "invarlock calibration")
    sealed = tracker.sealed_files(result.links.mlflow_run_id)
    assert sealed == {name: sha256_file(Path(result.out) / name) for name in FILES}


def test_what_is_asked_is_in_the_run_key_and_where_files_lie_is_not(place: Path, tmp_path: Path) -> None:
    key = settle_tau_sweep(request(place)).plan.run_key
    same = request(tmp_path, "elsewhere", fresh=True)
    assert settle_tau_sweep(same).plan.run_key == key
    others = (
        {"max_fp": 0.02},
        {"confidence": 0.9},
        {"seed": 1},
        {"taus": (0.1,)},
        {"head": "x"},
        {"tiers": ("balanced",)},
        {"gate_dtype": "float16"},
        {"rows_are_samples": False},
        {"tau_train_multiple": 5.0},
        {"id_column": "id"},
    )
    keys = {settle_tau_sweep(request(place, **other)).plan.run_key for other in others}
    np.save(tmp_path / "q.npy", drawn(seed=1)[0])
    changed = same.model_copy(update={"q_abs": tmp_path / "q.npy"})
    assert len(keys | {key, settle_tau_sweep(changed).plan.run_key}) == len(others) + 2


@pytest.fixture
def root(tmp_path: Path, embedded_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = shipped_root(tmp_path / "configs")
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(root))
    return root


def promote(capfd: pytest.CaptureFixture[str], *arguments: object) -> Ran:
    return run_cli(capfd, "promote", *arguments)


def ask(capfd: pytest.CaptureFixture[str], result: TauSweepResult, *options: object) -> Ran:
    return promote(
        capfd, "request", result.patch, "--reason", "new head", "--requester", "ann", "--json", *options
    )


def approve_and_apply(capfd: pytest.CaptureFixture[str], name: str) -> None:
    assert promote(capfd, "approve", name, "--reason", "read it", "--as", "bea").code == 0
    assert promote(capfd, "apply", name).code == 0


@pytest.mark.slow
def test_a_tau_becomes_policy_and_a_rollback_takes_it_back(
    capfd: pytest.CaptureFixture[str], root: Path, tmp_path: Path
) -> None:
    old, digest = live_tiers_path(root).read_text(), resolve_policy("balanced").digest
    first = run_tau_sweep(request(tmp_path, tiers=(Tier.BALANCED,)))
    asked = ask(capfd, first)
    assert asked.code == 0, asked.err
    review = json.loads(asked.out)["review"]
    assert [each["change"]["direction"] for each in review["changes"]] == ["tightening", "neutral", "neutral"]
    n_cens = report_of(first).calibration.recommendation.n_cens
    assert review["changes"][0]["basis"]["n_effective"] == review["changes"][0]["basis"]["n_runs"] == n_cens
    statement = review["changes"][0]["basis"]["statement"]
    for part in ("On the evaluation split: ", "The split has seed 0: ", "the operator's word"):
        assert part in statement
    approve_and_apply(capfd, json.loads(asked.out)["request_id"])

    new = live_tiers_path(root).read_text()
    added = [line for line in new.splitlines() if line not in old.splitlines()]
    assert [line.strip().split(":")[0] for line in added] == [
        "tau_guard",
        "heads",
        f'"{HEAD}"',
        "tau_infer",
        "tau_train",
        "gate_dtype",
    ]
    record = resolve_policy("balanced").policy.tau.heads[HEAD]
    found = (record.tau_infer, record.tau_train, record.gate_dtype)
    assert found == (first.tau_infer, first.tau_train, "float32")
    assert resolve_policy("balanced").digest != digest
    assert resolve_policy("conservative").policy.tau.heads == {}
    assert HEAD in run_cli(capfd, "policy", "show", "--tier", "balanced").out

    # A requirement that is easier to meet: a lower tau, which loosens by more than a quarter.
    second = run_tau_sweep(request(tmp_path, "second", tiers=(Tier.BALANCED,), max_fp=0.2))
    refused = ask(capfd, second)
    assert (refused.code, "relaxed by" in refused.err) == (1, True)
    asked = ask(capfd, second, "--allow-large", "measured anew")
    [change, *_] = json.loads(asked.out)["review"]["changes"]
    assert (change["change"]["direction"], change["change"]["old"]) == ("loosening", first.tau_infer)
    approve_and_apply(capfd, json.loads(asked.out)["request_id"])
    assert resolve_policy("balanced").policy.tau.heads[HEAD].tau_infer == second.tau_infer

    back = promote(capfd, "rollback", "--reason", "too loose", "--requester", "ann", "--json")
    approve_and_apply(capfd, json.loads(back.out)["request_id"])
    assert live_tiers_path(root).read_text() == new
    assert run_cli(capfd, "policy", "verify-history").code == 0


def test_few_samples_with_many_rows_are_refused(root: Path, tmp_path: Path) -> None:
    ids = np.repeat(np.arange(100), 30)
    np.save(tmp_path / "ids.npy", ids)
    with pytest.raises(TauError, match="censored rows repeat the id of another"):
        run_tau_sweep(request(tmp_path, ids=tmp_path / "ids.npy"))


def test_rows_that_may_be_one_sample_are_swept_and_not_promoted(
    capfd: pytest.CaptureFixture[str], root: Path, tmp_path: Path
) -> None:
    result = run_tau_sweep(request(tmp_path, tiers=(Tier.BALANCED,), rows_are_samples=False))
    assert result.tau_infer is not None
    assert "--rows-are-samples" in result.warnings[0]
    refused = ask(capfd, result)
    assert refused.code == 1
    assert "independent observations: balanced has 0 (rows without ids may be one sample" in refused.err
    assert "--rows-are-samples" in refused.err
    assert ask(capfd, result, "--allow-large", "we need it").code == 1


def test_a_recalibration_asks_for_its_own_promotion(
    capfd: pytest.CaptureFixture[str], root: Path, tmp_path: Path
) -> None:
    tau_sweep(request(tmp_path, tiers=(Tier.BALANCED,)), propose=True)
    tau_sweep(request(tmp_path, "few", max_fp=1e-5), propose=True)  # nothing is recommended, nothing asked
    [asked] = json.loads(promote(capfd, "list", "--json").out)
    assert asked["requester"] == "recalibration"
