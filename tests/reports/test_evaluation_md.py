from __future__ import annotations

from itertools import pairwise

from invarlock.evaluation.measured import Evidence
from invarlock.reports.evaluation_md import evaluation_markdown
from invarlock.reports.explain import explain
from tests.reports.changed_evidence import everywhere, under
from tests.reports.evaluations import VOLATILE, report_of


def test_the_verdict_comes_first_and_every_gate_is_there(quantized: Evidence) -> None:
    report = report_of(everywhere(under(quantized), 0.3))
    text = evaluation_markdown(report)
    assert text.startswith(f"# FAIL: `{report.subject_ref.id}` against `{report.baseline_ref.id}`\n")
    for gate in explain(report).gates:
        assert f"### Gate: {gate.title}" in text
    assert "| Primary Metric (perplexity) | **no** | enforced |" in text
    assert report.policy_provenance.policy_sha256 in text
    assert report.subject_ref.digest in text
    assert "- `metrics.pm_ratio` set by config: `min_token_fraction` 0.0, `min_tokens` 0\n" in text


def test_tables_are_whole(quantized: Evidence) -> None:
    lines = evaluation_markdown(report_of(quantized)).splitlines()
    for head, rule in pairwise(lines):
        if rule.startswith("|---"):
            assert head.count("|") == rule.count("|")
    rows = [line.replace("\\|", "") for line in lines if line.startswith("|")]
    assert {row.count("|") for row in rows} <= {5, 7}


def test_only_the_last_line_tells_when(quantized: Evidence) -> None:
    report = report_of(quantized)
    told = evaluation_markdown(report.model_copy(update={"volatile": VOLATILE}))
    assert told.startswith(evaluation_markdown(report))
    assert VOLATILE.generated_at in told.splitlines()[-1]
