"""Evaluations against a real Prefect server, a real MLflow store and really damaged models."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import load_file

from flows.evaluate import run_evaluation
from invarlock.digests import sha256_file
from invarlock.errors import ConfigError, DataError, EvaluationAborted, ModelError
from invarlock.evaluation.evaluation_plan import Assurance, MetricChoice
from invarlock.evaluation.measured import Evidence
from invarlock.reports.evaluation_manifest import EVIDENCE
from invarlock.reports.evaluation_report import EvaluationReport, Outcome
from invarlock.reports.evaluation_result import EvaluationResult
from invarlock.reports.evaluation_run import EvaluationRun, Role
from invarlock.reports.sweep_folder import read_manifest
from tasks.local_services import tracking_uri
from tests.flows.evaluations import Tensors, request, write_edit, write_preset, write_subject
from tests.flows.sweeps import stable_tree, write_model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    write_model(folder, 1.07)  # its passes are counted: no other test may have made them
    return folder


@pytest.fixture(scope="module")
def unedited(embedded_home: Path, place: Path) -> EvaluationResult:
    return run_evaluation(request(place))


@pytest.fixture(scope="module")
def quantized(unedited: EvaluationResult, place: Path) -> EvaluationResult:
    return run_evaluation(request(place, "2bit", edit_config=write_edit(place)))


def report_of(result: EvaluationResult) -> EvaluationReport:
    return EvaluationReport.model_validate_json(Path(result.report).read_bytes())


def test_a_baseline_against_itself_holds_every_gate(unedited: EvaluationResult) -> None:
    report = report_of(unedited)
    assert unedited.verdict.outcome is Outcome.PASS
    assert unedited.verdict.exit_code == 0
    assert report.validation.model_dump() == dict.fromkeys(report.validation.model_dump(), True) | {
        "hysteresis_applied": False
    }
    assert report.primary_metric is not None
    assert report.primary_metric.ratio_vs_baseline == 1.0


def test_z_of_a_baseline_are_its_own_standard_scores(unedited: EvaluationResult, place: Path) -> None:
    run = EvaluationRun.model_validate_json(Path(unedited.runs[Role.SUBJECT]).read_bytes())
    tensors = load_file(place / "model" / "model.safetensors")
    modules = [module for module in run.spectral.modules if module.family == "attn"]
    sigmas = torch.stack([torch.linalg.svdvals(tensors[f"{m.name}.weight"].double())[0] for m in modules])
    expected = (sigmas - sigmas.mean()) / sigmas.std(correction=0)
    torch.testing.assert_close(
        torch.tensor([m.z for m in modules], dtype=torch.float64), expected, rtol=2e-3, atol=2e-3
    )


def test_a_2_bit_subject_fails(quantized: EvaluationResult) -> None:
    assert quantized.verdict.exit_code in (1, 3)
    assert quantized.verdict.failed
    assert all(reason.strip() for reason in quantized.verdict.reasons)


def test_the_second_subject_costs_its_own_passes(
    unedited: EvaluationResult, quantized: EvaluationResult
) -> None:
    calibration = 8
    assert (
        unedited.work.forward_passes == 16
    )  # one model, 8 preview and 8 final windows, edge risk in the same passes
    own = 16
    branches = 2 * calibration  # both models' branches; the baseline's had not been looked at
    scaled = quantized.work.forward_passes - own - branches
    assert 0 <= scaled <= calibration


def test_a_repeat_runs_nothing_and_writes_the_same_bytes(quantized: EvaluationResult, place: Path) -> None:
    before = stable_tree(Path(quantized.report_out))
    again = run_evaluation(request(place, "2bit", edit_config=write_edit(place)))
    assert again.work.forward_passes == 0
    after = stable_tree(Path(again.report_out))
    pages = {"evaluation.report.md", "evaluation.report.html"}  # their last lines tell when they were written
    assert {k: v for k, v in before.items() if k not in pages} == {
        k: v for k, v in after.items() if k not in pages
    }


def test_the_folder_holds_the_evidence_and_its_hashes(quantized: EvaluationResult) -> None:
    out = Path(quantized.report_out)
    manifest = read_manifest(out)
    assert manifest is not None
    assert manifest.files == {
        path.relative_to(out).as_posix(): sha256_file(path)
        for path in out.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    report = report_of(quantized)
    assert report.subject_ref.run_sha256 == sha256_file(out / "subject" / "report.json")
    assert report.baseline_ref.run_sha256 == sha256_file(out / "baseline" / "report.json")
    for role, run in quantized.runs.items():
        assert Path(run).read_bytes() == (out / role.value / "report.json").read_bytes()
    evidence = Evidence.model_validate_json((out / EVIDENCE).read_bytes())
    assert evidence.plan.run_key == report.run_id
    assert str(Path.home()) not in (out / EVIDENCE).read_text() or evidence.plan.baseline.root == ""


def test_mlflow_has_the_run_with_its_outcome(quantized: EvaluationResult, embedded_home: Path) -> None:
    run = MlflowClient(tracking_uri(embedded_home)).get_run(quantized.links.mlflow_run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["outcome"] == quantized.verdict.outcome.value
    assert run.data.tags["invarlock.failed"].split() == list(quantized.verdict.failed)
    assert {"evaluation.report.json", "evidence.json"} <= {
        file.path
        for file in MlflowClient(tracking_uri(embedded_home)).list_artifacts(quantized.links.mlflow_run_id)
    }


def test_accuracy_is_judged_by_its_own_gate(unedited: EvaluationResult, place: Path) -> None:
    done = run_evaluation(request(place, "accuracy", metric=MetricChoice.ACCURACY))
    metric = report_of(done).primary_metric
    assert metric is not None
    assert metric.kind == "accuracy"
    assert metric.final == metric.baseline_final
    assert done.verdict.exit_code == 0


def test_strict_assurance_fails_on_too_little_evidence(unedited: EvaluationResult, place: Path) -> None:
    assert unedited.verdict.underpowered
    done = run_evaluation(request(place, "strict", assurance=Assurance.STRICT))
    assert done.verdict.exit_code == 1


def test_an_override_of_a_cap_is_judged_by_and_traced(unedited: EvaluationResult, place: Path) -> None:
    caps = "{max_caps: 0, family_caps: {ffn: {kappa: 0.01}, attn: 0.01}, multiple_testing: {alpha: 0.99}}"
    done = run_evaluation(
        request(place, "caps", edit_config=write_edit(place, f"guards: {{spectral: {caps}}}\n"))
    )
    report = report_of(done)
    assert not report.validation.spectral_stable
    assert done.verdict.exit_code == 1
    assert report.policy_provenance.origins["spectral.family_caps.ffn"] == "config"


def nan_in(name: str) -> object:
    def change(tensors: Tensors) -> Tensors:
        tensors[name].view(-1)[7] = math.nan
        return tensors

    return change


def test_a_nan_aborts_with_a_report_that_names_the_tensor(unedited: EvaluationResult, place: Path) -> None:
    name = "transformer.h.1.mlp.c_fc.weight"
    subject = write_subject(place, "nan", nan_in(name))  # type: ignore[arg-type]
    done = run_evaluation(request(place, "nan-out", subject=str(subject)))
    assert done.verdict.exit_code == 3
    assert not done.validation.invariants_pass
    assert name in json.dumps(report_of(done).invariants.model_dump(mode="json"))


def test_a_baseline_with_nan_is_no_baseline(embedded_home: Path, place: Path) -> None:
    broken = write_subject(place, "nan-base", nan_in("transformer.ln_f.weight"))  # type: ignore[arg-type]
    with pytest.raises(EvaluationAborted, match="baseline") as caught:
        run_evaluation(request(place, "nan-base-out", baseline=str(broken)))
    assert caught.value.exit_code == 3
    assert not (place / "nan-base-out").exists()


def test_noise_for_weights_is_a_spike(unedited: EvaluationResult, place: Path) -> None:
    def shuffled(tensors: Tensors) -> Tensors:
        order = torch.randperm(512, generator=torch.Generator().manual_seed(1))
        wte = tensors["transformer.wte.weight"]
        tensors["transformer.wte.weight"] = torch.cat([wte[order], wte[512:]])
        return tensors

    subject = write_subject(place, "shuffled", shuffled)
    done = run_evaluation(request(place, "shuffled-out", subject=str(subject)))
    spike = report_of(done).spike
    assert spike is not None
    assert spike.spiked
    assert done.verdict.exit_code == 3


def test_another_shape_or_architecture_is_refused(unedited: EvaluationResult, place: Path) -> None:
    def narrow(tensors: Tensors) -> Tensors:
        name = "transformer.h.0.mlp.c_fc.weight"
        tensors[name] = tensors[name][:, :-1].contiguous()
        return tensors

    subject = write_subject(place, "narrow", narrow)
    with pytest.raises(ModelError, match="shape"):
        run_evaluation(request(place, "narrow-out", subject=str(subject)))
    assert not (place / "narrow-out").exists()


def test_another_tokenizer_is_refused(unedited: EvaluationResult, place: Path) -> None:
    subject = write_subject(place, "tokens", lambda tensors: tensors)
    tokenizer = json.loads((subject / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    first, second = list(vocabulary)[300:302]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (subject / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises((DataError, ModelError), match="tokenizer"):
        run_evaluation(request(place, "tokens-out", subject=str(subject)))


def test_results_of_another_evaluation_are_not_overwritten(unedited: EvaluationResult, place: Path) -> None:
    with pytest.raises(ConfigError, match="another"):
        run_evaluation(request(place, seed=7))
    done = run_evaluation(request(place, "unnamed", report_out=place / "seed7", seed=7))
    assert done.verdict.exit_code == 0


def test_too_little_text_says_how_many_windows_there_are(embedded_home: Path, place: Path) -> None:
    preset = write_preset(place, 4)
    with pytest.raises(DataError, match="windows of 32 tokens exist"):
        run_evaluation(request(place, "little", preset=preset, profile="ci"))
