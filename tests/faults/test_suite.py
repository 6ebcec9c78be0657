"""The planted-fault suite: a few subjects on few windows here, everything in the slow test."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics

import pytest

from benchmarks.faults.__main__ import run
from benchmarks.faults.anatomy import GPT2, LLAMA, Anatomy
from benchmarks.faults.finding import Finding, Said
from benchmarks.faults.harmless_drift import recommended_caps, write_edit_config
from benchmarks.faults.llama import train_llama
from benchmarks.faults.page import section
from benchmarks.faults.subject_folder import write_subject
from benchmarks.faults.subjects import faults, harmless
from benchmarks.faults.suite import Row, broken_rules, evaluate_subjects
from benchmarks.plain_evaluation import PlainEvaluations
from invarlock.calibration.drift_caps import DriftCapRecommendation
from invarlock.evaluation.request import EvaluationRequest
from invarlock.home import shipped
from invarlock.reports.compare_runs import compare_runs
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.judge_runs import judge_runs
from invarlock.store.measurement_store import MeasurementStore

DEMO = shipped("models/pydocs-gpt2")
PRESET = """
basis: demo
model: {device: cpu}
dataset: {provider: local_text, paths: ["%s"], seq_len: 128}
eval: {preview_n: 12, final_n: 12}
guards: {metrics: {pm_ratio: {min_tokens: 3000}}}
"""
FEW = {
    ("one direction added", "1% of the norm"),
    ("sign flipped", "one matrix"),
    ("sign flipped", "every block"),
    ("square weight transposed", "4 of 4"),
    ("heads zeroed", "1"),
    ("tied embedding broken", "noise 50% of the rms"),
    ("norm gain flipped", "one"),
    ("one NaN", "in a bias"),
    ("the baseline itself", ""),
    ("8-bit round to nearest", "block matrices"),
    ("saved again", "in 3 shards"),
}


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory: pytest.TempPathFactory) -> PlainEvaluations:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "text").mkdir()
    (folder / "text" / "topics.txt").write_text("\n\n".join(list(topics.values())[:8]))
    (folder / "preset.yaml").write_text(PRESET % (folder / "text"))
    request = EvaluationRequest(
        baseline=str(DEMO), subject=str(DEMO), preset=folder / "preset.yaml", profile="dev"
    )
    return PlainEvaluations(request, MeasurementStore(folder / "store"))


@pytest.fixture(scope="module")
def caps(evaluations: PlainEvaluations) -> DriftCapRecommendation:
    return recommended_caps(evaluations, edits=6)


@pytest.fixture(scope="module")
def rows(
    evaluations: PlainEvaluations, caps: DriftCapRecommendation, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Row]:
    folder = tmp_path_factory.mktemp("subjects")
    config = write_edit_config(caps, folder / "caps.yaml")
    few = [each for each in (*faults(GPT2), *harmless(GPT2)) if (each.name, each.strength) in FEW]
    found = evaluate_subjects(evaluations, few, config, folder)
    return {(row.subject.name, row.subject.strength): row for row in found}


def refused(row: Row) -> set[str]:
    return {gate for gate, said in row.shipped.gates.items() if said is Said.FAILS}


def test_the_suite_keeps_its_rules(rows: dict[tuple[str, str], Row]) -> None:
    assert rows.keys() == FEW
    assert broken_rules(rows.values()) == []


def test_the_baseline_was_run_once(evaluations: PlainEvaluations, rows: dict[tuple[str, str], Row]) -> None:
    run = [row for row in rows.values() if row.shipped.ratio is not None]
    same = ("the baseline itself", ""), ("saved again", "in 3 shards")
    written = evaluations.store.counts().written["window_loss"]
    assert written == 24 * (len(run) - len(same) + 1)  # the baseline's own, and those of other weights


@pytest.mark.parametrize(
    ("fault", "gates", "exit_code"),
    [
        (("sign flipped", "one matrix"), {"metric"}, 1),
        (("sign flipped", "every block"), {"metric", "spike"}, 3),
        (("square weight transposed", "4 of 4"), {"metric"}, None),
        (("heads zeroed", "1"), {"flattened"}, 1),
        (("tied embedding broken", "noise 50% of the rms"), {"invariants"}, None),
        (("norm gain flipped", "one"), {"metric", "RMT"}, 3),
        (("one NaN", "in a bias"), {"invariants"}, 3),
    ],
)
def test_who_sees_what(
    rows: dict[tuple[str, str], Row], fault: tuple[str, str], gates: set[str], exit_code: int | None
) -> None:
    assert gates <= refused(rows[fault])
    assert rows[fault].shipped.exit_code in ((1, 3) if exit_code is None else (exit_code,))


def test_one_direction_is_seen_by_the_edit_edge_alone(rows: dict[tuple[str, str], Row]) -> None:
    row = rows["one direction added", "1% of the norm"]
    assert refused(row) == set()
    assert row.shipped.exit_code == 0
    assert "edit_edge" in row.capped.beyond
    assert "log_sigma" not in row.capped.beyond
    assert row.capped.exit_code == 1


def test_order_is_not_seen_by_singular_values(rows: dict[tuple[str, str], Row]) -> None:
    row = rows["sign flipped", "every block"]
    assert row.shipped.gates["z"] is Said.NOTHING
    assert row.capped.drift["log_sigma"] == pytest.approx(0, abs=1e-6)
    assert row.capped.drift["relative_change"] == pytest.approx(2)
    assert "relative_change" in row.capped.beyond


def passing(finding: Finding) -> Finding:
    return dataclasses.replace(finding, exit_code=0, beyond=())


def blind(row: Row) -> Row:
    """The row of an evaluation that saw nothing."""
    return dataclasses.replace(row, shipped=passing(row.shipped), capped=passing(row.capped))


@pytest.mark.parametrize(
    ("of", "change", "said"),
    [
        (("sign flipped", "every block"), blind, "exit 0 under the shipped policy"),
        (("one NaN", "in a bias"), blind, "exit 0 under drift caps"),
        (("one direction added", "1% of the norm"), blind, "no drift statistic is above its cap"),
        (
            ("the baseline itself", ""),
            lambda row: dataclasses.replace(row, shipped=dataclasses.replace(row.shipped, exit_code=1)),
            "harmless, and exit 1",
        ),
    ],
)
def test_a_blind_evaluation_breaks_the_rules(
    rows: dict[tuple[str, str], Row], of: tuple[str, str], change: Callable[[Row], Row], said: str
) -> None:
    assert any(said in sentence for sentence in broken_rules([change(rows[of])]))


def test_page_has_a_line_a_subject_with_every_column(
    caps: DriftCapRecommendation, rows: dict[tuple[str, str], Row]
) -> None:
    text = section("demo", list(rows.values()), caps)
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines()}
    assert "| **none** | - | - | - | - | **F** |" in lines["one NaN"]
    assert len({line.count("|") for name, line in lines.items() if name in {fault for fault, _ in FEW}}) == 1
    assert "| harmless, of 3 |" in text


@pytest.mark.slow
def test_the_flow_says_the_same(evaluations: PlainEvaluations, embedded_home: Path, tmp_path: Path) -> None:
    from flows.evaluate import run_evaluation

    subject = str(write_subject(DEMO, faults(GPT2)[0], tmp_path / "subject"))
    asked = {
        "subject": subject,
        "variance": False,
        "out": tmp_path / "runs",
        "report_out": tmp_path / "report",
    }
    result = run_evaluation(evaluations.request.model_copy(update=asked))
    by_flow = EvaluationReport.model_validate_json(Path(result.report).read_bytes())
    plan = evaluations.plan(subject)
    runs = judge_runs(plan, evaluations.measured(plan))
    assert by_flow.model_copy(update={"volatile": None}) == compare_runs(runs.baseline, runs.subject)


@pytest.mark.slow
@pytest.mark.parametrize("model", [GPT2, LLAMA], ids=lambda model: model.architecture)
def test_every_subject(model: Anatomy, tmp_path: Path) -> None:
    baseline = DEMO if model is GPT2 else train_llama(DEMO, tmp_path / "trained")
    text, broken = run("all", baseline, model, tmp_path / "run")
    assert broken == []
    assert "with 95 % confidence" in text  # caps that the edits support
