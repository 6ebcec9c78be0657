"""The page of an evaluation, from real measurements of the shipped model; laid out by a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from invarlock.evaluation.measured import ArmMeasured, Evidence
from invarlock.measure.arm_records import ArmRuns, ArmWeights, Failure, Part
from invarlock.reports.compare_runs import compare_runs
from invarlock.reports.evaluation_html import evaluation_html
from invarlock.reports.evaluation_report import EvaluationReport, Outcome
from invarlock.reports.evaluation_run import EvaluationRun
from invarlock.reports.explain import explain
from invarlock.reports.judge_runs import judge_runs
from tests.browser import layout_of
from tests.flows.evaluations import write_edit
from tests.reports.changed_evidence import losses_of
from tests.reports.evaluations import VOLATILE, evaluate_here

HOSTILE = '<script>alert("&\'")</script>'
PHONE = 380  # CSS pixels
Judged = tuple[EvaluationReport, EvaluationRun, EvaluationRun]


# Floors that so few windows reach, so that gates are enforced.
EDIT = """
edit: {name: quant_rtn, plan: {bitwidth: 2}}
guards:
  metrics: {pm_ratio: {min_tokens: 100, min_token_fraction: 0.0}, pm_tail: {mode: fail, min_windows: 4}}
"""


def judge(evidence: Evidence, **subject: object) -> Judged:
    """Report and runs of the evidence, parts of the subject replaced: then its branches would be another's."""
    measured = evidence.measured
    if subject:
        arm = measured.subject.model_copy(update=subject)
        measured = measured.model_copy(update={"subject": arm, "variance": None})
    runs = judge_runs(evidence.plan, measured)
    return compare_runs(runs.baseline, runs.subject), runs.baseline, runs.subject


def unchanged(evidence: Evidence) -> Judged:
    return judge(evidence, **dict(evidence.measured.baseline))


def edited(evidence: Evidence) -> Judged:
    return judge(evidence)


def ruined(evidence: Evidence) -> Judged:
    """A loss that rose by 3 nats a token."""
    raised = [
        loss.model_copy(update={"nll": loss.nll + 3 * loss.tokens})
        for loss in evidence.measured.subject.losses
    ]
    return judge(evidence, **losses_of(evidence.measured.subject, raised))


def without_weights(evidence: Evidence) -> Judged:
    name = "transformer.h.0.attn.c_attn.weight"
    snapshot = evidence.measured.subject.invariants.model_copy(update={"nonfinite": (name,)})
    failure = Failure(part=Part.WEIGHTS, what="it has NaN or infinity", where=name)
    weights = ArmWeights(invariants=snapshot, variant=None, failure=failure)
    return judge(evidence, **dict(ArmMeasured.of(weights, None)))


def without_losses(evidence: Evidence) -> Judged:
    failures = tuple(
        Failure(part=part, what="the output is not finite", where="window 1")
        for part in (Part.LOSSES, Part.EDGES)
    )
    return judge(evidence, **dict(ArmRuns(losses=(), hits=(), edges=None, failures=failures)))


CASES = {
    unchanged: Outcome.PASS,
    edited: Outcome.FAIL,
    ruined: Outcome.ABORTED,
    without_weights: Outcome.ABORTED,
    without_losses: Outcome.ABORTED,
}
Case = Callable[[Evidence], Judged]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)


@dataclass(frozen=True)
class Rendered:
    judged: Judged
    page: str


Rendering = Callable[[Case], Rendered]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("evaluation")
    return evaluate_here(folder, edit_config=write_edit(folder, EDIT))


@pytest.fixture(scope="module")
def rendered(evidence: Evidence) -> Rendering:
    """Page of a case, made once."""

    @cache
    def render(case: Case) -> Rendered:
        judged = case(evidence)
        return Rendered(judged, evaluation_html(*judged))

    return render


def parsed(page: str) -> ElementTree.Element:
    """The pages are written so that they are XML too, which a parser checks more strictly than a browser."""
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))


def text_of(page: str) -> str:
    return " ".join(" ".join(parsed(page).itertext()).split())


@each_case
def test_the_verdict_comes_first(case: Case, rendered: Rendering) -> None:
    report, page = rendered(case).judged[0], rendered(case).page
    assert report.verdict.outcome is CASES[case]
    word = {Outcome.PASS: "Pass", Outcome.FAIL: "Fail", Outcome.ABORTED: "Aborted"}[CASES[case]]
    assert page.index(f"<strong>{word}</strong>") < page.index("<h2>")
    assert f"exit code {report.verdict.exit_code}" in page


def test_equal_records_give_equal_bytes_but_for_the_last_lines(
    evidence: Evidence, rendered: Rendering
) -> None:
    report, *runs = edited(evidence)
    dated = evaluation_html(report.model_copy(update={"volatile": VOLATILE}), *runs)
    assert VOLATILE.generated_at in dated
    assert re.sub("<footer>.*?</footer>", "", dated) == rendered(edited).page


@each_case
def test_every_gate_and_what_it_was_made_from_is_shown(case: Case, rendered: Rendering) -> None:
    report, shown = rendered(case).judged[0], text_of(rendered(case).page)
    explained = explain(report)
    for flag in report.validation.model_fields_set - {"hysteresis_applied"}:
        assert flag in shown
    for said in (explained.headline, *explained.reasons, *explained.next_steps):
        assert said in shown
    for gate in explained.gates:
        assert gate.finding in shown
        for comparison in gate.comparisons:
            assert comparison.value_text in shown
            assert comparison.interval_text in shown
            assert comparison.rule_text in shown
        for setting in gate.settings:
            assert f"{setting.path} {setting.text} {setting.set_by}" in shown


def test_origin_is_shown(rendered: Rendering) -> None:
    report, shown = rendered(edited).judged[0], text_of(rendered(edited).page)
    digests = report.provenance
    for digest in (
        *(report.subject_ref.digest, report.baseline_ref.digest, report.subject_ref.run_sha256),
        *(report.dataset.dataset_hash, report.dataset.schedule_digest, report.policy_digest.policy_sha256),
        *(digests.measured_sha256, digests.run_key, digests.code_sha256, *digests.inputs.values()),
    ):
        assert digest in shown
    assert "metrics.pm_tail.mode fail config" in shown
    assert "invarlock report verify evaluation.report.json" in shown


@each_case
def test_ids_are_unique_and_nothing_is_fetched(case: Case, rendered: Rendering) -> None:
    page = rendered(case).page
    elements = list(parsed(page).iter())
    ids = [element.get("id") for element in elements if element.get("id")]
    assert len(ids) == len(set(ids))
    fetching = {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not fetching & {element.tag.rpartition("}")[2] for element in elements}
    addresses = {
        value
        for element in elements
        for name, value in element.items()
        if name.rpartition("}")[2] in ("src", "href")
    }
    assert addresses <= {f"#{name}" for name in ids}
    assert "url(http" not in page
    assert "@import" not in page


def test_pictures_are_small_and_take_their_colours_from_the_page(rendered: Rendering) -> None:
    page = rendered(edited).page
    pictures = re.findall("<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 4
    assert all(len(picture) < 100_000 for picture in pictures)
    assert not re.findall(r"#[0-9a-f]{6}\b", "".join(pictures))
    light, dark, *_ = page.split("@media")
    used = set(re.findall(r"var\((--[\w-]+)\)", page))
    assert used <= set(re.findall(r"(--[\w-]+):", light))
    assert used <= set(re.findall(r"(--[\w-]+):", dark))


def test_aborted_evaluations_say_what_is_missing_and_why(rendered: Rendering) -> None:
    shown = text_of(rendered(without_weights).page)
    assert shown.count("Not drawn:") == 4
    assert "transformer.h.0.attn.c_attn.weight" in shown
    shown = text_of(rendered(without_losses).page)
    assert shown.count("Not drawn:") == 3
    assert "the output is not finite" in shown


def hostile(judged: Judged) -> Judged:
    """Names and words that come from outside, made into markup."""

    report, *runs = judged
    outside = (report.subject_ref.id, report.dataset.provider, "transformer.", "it has NaN")

    def spoil(text: str) -> str:
        for name in outside:
            text = text.replace(name, f"{name}{HOSTILE}".replace('"', '\\"'))
        return text

    baseline, subject = (EvaluationRun.model_validate_json(spoil(run.model_dump_json())) for run in runs)
    return EvaluationReport.model_validate_json(spoil(report.model_dump_json())), baseline, subject


class Tags(HTMLParser):
    """Start tags as a browser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, [name for name, _ in attrs]))


@pytest.mark.parametrize("case", [edited, without_weights], ids=lambda case: case.__name__)
def test_hostile_names_stay_text_and_the_page_fits_a_phone(case: Case, rendered: Rendering) -> None:
    plain, spoilt = Tags(), Tags()
    plain.feed(rendered(case).page)
    page = evaluation_html(*hostile(rendered(case).judged))
    spoilt.feed(page)
    report = rendered(case).judged[0]
    for name in (report.subject_ref.id, report.dataset.provider, "transformer."):
        assert f"{name}{HOSTILE}" in text_of(page)
    assert spoilt.seen == plain.seen
    layout = layout_of(page, width=PHONE)
    assert layout.window == PHONE
    assert layout.content <= PHONE
    assert layout.smallest_text >= 10


def test_the_measure_sees_a_page_that_is_too_wide_and_text_that_is_too_small() -> None:
    text = '<svg viewBox="0 0 1000 100" width="500"><text style="font-size: 12px">x</text></svg>'
    layout = layout_of(f'<!DOCTYPE html><html><body style="margin:0">{text}</body></html>', width=PHONE)
    assert layout.content == 500
    assert layout.smallest_text == 6
