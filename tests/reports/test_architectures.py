"""Every kind of language model end to end: causal, masked and seq2seq, by perplexity and by accuracy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invarlock.evaluation.evaluation_plan import MetricChoice
from invarlock.reports.evaluation_report import Outcome
from tests.measure.tiny_models import VOCABULARY, save, save_tokenizer
from tests.reports.evaluations import evaluate_here, report_of

WORDS = [f"w{i}" for i in range(VOCABULARY - 5)]
PRESET = """
basis: demo
model: {device: cpu}
dataset: {provider: %s, paths: ["%s"], seq_len: 16}
eval: {preview_n: 4, final_n: 4}
"""


def sentence(start: int, length: int) -> str:
    """Words of the vocabulary, another sequence for each ``start``."""
    return " ".join(WORDS[(start + step * (start + 1)) % len(WORDS)] for step in range(length))


def write_text(folder: Path, *, pairs: bool) -> Path:
    """A preset with text of its own."""
    if pairs:
        lines = (json.dumps({"source": sentence(n, 12), "target": sentence(n + 7, 6)}) for n in range(40))
        (folder / "text.jsonl").write_text("\n".join(lines))
    else:
        (folder / "text.txt").write_text("\n\n".join(sentence(n, 40) for n in range(60)))
    preset = folder / "preset.yaml"
    preset.write_text(
        PRESET
        % (("local_jsonl_pairs", folder / "text.jsonl") if pairs else ("local_text", folder / "text.txt"))
    )
    return preset


@pytest.fixture(scope="module", params=["bert", "t5", "llama"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model of the kind, its tokenizer and text."""
    folder = tmp_path_factory.mktemp(request.param)
    model = save(request.param, folder / "tiny")
    save_tokenizer(model)
    write_text(folder, pairs=request.param == "t5")
    return folder


@pytest.mark.parametrize("metric", MetricChoice)
def test_a_baseline_against_itself_passes(place: Path, metric: MetricChoice) -> None:
    """Random weights hit next to nothing: an accuracy of 0 on some windows is no drift of one model from itself."""
    model = str(place / "tiny")
    evidence = evaluate_here(
        place, baseline=model, subject=model, preset=place / "preset.yaml", metric=metric, variance=False
    )
    report = report_of(evidence)
    assert (report.verdict.outcome, report.verdict.failed) == (Outcome.PASS, ())
    assert report.validation.model_dump() == dict.fromkeys(report.validation.model_dump(), True) | {
        "hysteresis_applied": False
    }
    metric_of = report.primary_metric
    assert metric_of is not None
    accuracy = metric is MetricChoice.ACCURACY
    assert metric_of.kind == ("accuracy" if accuracy else evidence.plan.baseline.metric)
    assert metric_of.final == metric_of.baseline_final
    assert len(evidence.measured.subject.hits) == (8 if accuracy else 0)
    assert report.preview_final_drift is not None
    assert report.preview_final_drift.relative_drift == 1.0
