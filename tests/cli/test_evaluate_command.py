"""``invarlock evaluate``: exit codes, and what each way of asking prints."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from invarlock.reports.evaluation_report import EvaluationReport, Outcome
from invarlock.reports.evaluation_result import EvaluationResult
from tests.cli.run_cli import Ran, run_cli
from tests.flows.evaluations import Tensors, write_edit, write_preset, write_subject
from tests.flows.sweeps import write_model

CAPS = "{max_caps: 0, family_caps: {ffn: 0.01, attn: 0.01}, multiple_testing: {alpha: 0.99}}"


@pytest.fixture(scope="module")
def place(embedded_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("command")


def evaluate(capfd: pytest.CaptureFixture[str], place: Path, name: str, *more: object) -> Ran:
    """The folder's model against itself unless told otherwise, two preview and two final windows."""
    model = write_model(place)
    subject = () if "--subject" in more else ("--subject", model)
    models = ("--baseline", model, *subject, "--preset", write_preset(place, 2))
    out = ("--out", place / "runs", "--report-out", place / name)
    return run_cli(capfd, "evaluate", *models, "--profile", "dev", "--no-variance", *out, *more)


def test_0_where_every_gate_holds(capfd: pytest.CaptureFixture[str], place: Path) -> None:
    """--json prints the result and nothing else."""
    ran = evaluate(capfd, place, "self", "--json")
    assert ran.code == 0, ran.err
    result = EvaluationResult.model_validate(json.loads(ran.out))
    assert (result.verdict.outcome, result.verdict.exit_code) == (Outcome.PASS, 0)
    report = EvaluationReport.model_validate_json(Path(result.report).read_bytes())
    assert (report.run_id, report.verdict) == (result.run_key, result.verdict)
    assert Path(result.report).parent == place / "self"


def test_again_quietly_prints_the_report_alone(capfd: pytest.CaptureFixture[str], place: Path) -> None:
    ran = evaluate(capfd, place, "self", "--quiet")
    assert (ran.code, ran.out) == (0, f"{place / 'self' / 'evaluation.report.json'}\n")


def test_1_where_a_gate_does_not_hold(capfd: pytest.CaptureFixture[str], place: Path) -> None:
    """A person reads why, and where everything is."""
    edit = write_edit(place, f"guards: {{spectral: {CAPS}}}\n")
    ran = evaluate(capfd, place, "caps", "--edit-config", edit)
    assert ran.code == 1, ran.err
    assert "1 gate of 7 failed: Spectral (weights)" in " ".join(ran.out.split())
    assert "invarlock report verify" in ran.out
    assert (place / "caps" / "evaluation.report.json").is_file()


def test_1_where_strict_assurance_has_too_little_evidence(
    capfd: pytest.CaptureFixture[str], place: Path
) -> None:
    ran = evaluate(capfd, place, "strict", "--assurance", "strict", "--json")
    assert ran.code == json.loads(ran.out)["verdict"]["exit_code"] == 1
    assert json.loads(ran.out)["verdict"]["failed"] == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--metric", "elegance"), "--metric"),
        (("--execution-mode", "cloud"), "--execution-mode"),
        (("--edit-config", "nowhere.yaml"), "nowhere.yaml"),
        (("--subject", "nowhere"), "nowhere"),
        (("--profile", "grand"), "grand"),
    ],
)
def test_2_for_what_cannot_be_evaluated(
    capfd: pytest.CaptureFixture[str], place: Path, options: tuple[str, ...], named: str
) -> None:
    """Nothing on standard output, whatever was asked for there; nothing is written."""
    ran = evaluate(capfd, place, "refused", *options, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert named in " ".join(ran.err.split())
    assert not (place / "refused").exists()


def test_2_for_a_policy_out_of_range(capfd: pytest.CaptureFixture[str], place: Path) -> None:
    edit = write_edit(place, "guards: {spectral: {max_caps: -1}}\n")
    ran = evaluate(capfd, place, "refused", "--edit-config", edit, "--quiet")
    assert (ran.code, ran.out) == (2, "")
    assert "max_caps" in ran.err


def test_3_for_a_subject_with_a_nan(capfd: pytest.CaptureFixture[str], place: Path) -> None:
    """Aborted, with a report that says so."""
    name = "transformer.h.1.mlp.c_fc.weight"

    def broken(tensors: Tensors) -> Tensors:
        tensors[name].view(-1)[7] = math.nan
        return tensors

    subject = write_subject(place, "nan", broken)
    ran = evaluate(capfd, place, "aborted", "--subject", subject, "--json")
    assert ran.code == 3, ran.err
    result = EvaluationResult.model_validate(json.loads(ran.out))
    assert (result.verdict.outcome, result.validation.invariants_pass) == (Outcome.ABORTED, False)
    assert any(name in reason for reason in result.verdict.reasons)


def test_3_for_a_spike(capfd: pytest.CaptureFixture[str], place: Path) -> None:
    """--quiet still says where the report is."""

    def shuffled(tensors: Tensors) -> Tensors:
        wte = tensors["transformer.wte.weight"]
        order = torch.randperm(512, generator=torch.Generator().manual_seed(1))
        tensors["transformer.wte.weight"] = torch.cat([wte[order], wte[512:]])
        return tensors

    subject = write_subject(place, "shuffled", shuffled)
    ran = evaluate(capfd, place, "spike", "--subject", subject, "--quiet")
    assert ran.code == 3, ran.err
    report = EvaluationReport.model_validate_json(Path(ran.out.strip()).read_bytes())
    assert report.spike is not None
    assert report.spike.spiked
