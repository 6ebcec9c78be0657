import pytest

from invarlock.guards.invariants import InvariantCheck, judge_invariants
from invarlock.guards.report import GuardReport, Verdict


def test_an_unchanged_model_is_allowed(snapshot):
    report = judge_invariants(snapshot, snapshot)
    assert report.verdict is Verdict.ALLOW
    assert report.passed
    assert report.violations == ()
    assert all(report.metrics.checks.values())
    assert set(report.metrics.checks) == {check.value for check in InvariantCheck}


@pytest.mark.parametrize(
    ("change", "check", "culprit"),
    [
        ({"nonfinite": ("h.0.w",)}, "finite", "h.0.w"),
        ({"parameter_shapes": {"wte": (100, 8), "lm_head": (100, 8), "ln_f": (8,)}}, "names", "h.0.w"),
        (
            {"parameter_shapes": {"wte": (100, 8), "lm_head": (100, 8), "h.0.w": (32, 8), "ln_f": (8,)}},
            "shapes",
            "h.0.w",
        ),
        ({"tied_groups": ()}, "ties", "lm_head"),
        ({"embedding_rows": 99}, "vocabulary", None),
        ({"vocabulary_size": 90}, "vocabulary", None),
        ({"norm_layers": ()}, "norms", "ln_f"),
        ({"config_sha256": "d" * 64}, "config", None),
    ],
)
def test_each_change_blocks_or_is_a_warning_where_listed(snapshot, change, check, culprit):
    subject = snapshot.model_copy(update=change)
    report = judge_invariants(snapshot, subject)
    assert report.verdict is Verdict.BLOCK
    assert not report.passed
    assert {name for name, held in report.metrics.checks.items() if not held} == {check}
    assert culprit in {violation.module for violation in report.violations}
    tolerated = judge_invariants(snapshot, subject, warnings=[InvariantCheck(check)])
    assert tolerated.verdict is Verdict.MONITOR
    assert [v.message for v in tolerated.violations] == [v.message for v in report.violations]


def test_a_baseline_that_is_not_finite_blocks_too(snapshot):
    broken = snapshot.model_copy(update={"nonfinite": ("wte",)})
    assert judge_invariants(broken, snapshot).verdict is Verdict.BLOCK


def test_padded_embeddings_are_recorded_but_rows_must_cover_the_vocabulary(snapshot):
    padded = snapshot.model_copy(update={"vocabulary_size": 97})
    report = judge_invariants(padded, padded)
    assert report.verdict is Verdict.ALLOW
    assert any("3 rows beyond" in sentence for sentence in report.diagnostics)
    short = snapshot.model_copy(update={"vocabulary_size": 101})
    assert judge_invariants(short, short).verdict is Verdict.BLOCK


def test_more_ties_than_the_baseline_keep_its_ties(snapshot):
    subject = snapshot.model_copy(update={"tied_groups": (("lm_head", "other", "wte"),)})
    assert judge_invariants(snapshot, subject).verdict is Verdict.ALLOW


def test_the_entry_survives_json(snapshot):
    report = judge_invariants(snapshot, snapshot.model_copy(update={"tied_groups": ()}))
    assert GuardReport.model_validate_json(report.model_dump_json()) == report
