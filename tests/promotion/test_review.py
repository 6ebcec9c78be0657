"""From a finished run to policy through every step, and what its reviewers read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from invarlock.cli.promotion_view import changes_table, show_result
from invarlock.digests import sha256_hex
from invarlock.errors import PromotionError
from invarlock.families import Family
from invarlock.policy.diff import Change, Direction
from invarlock.policy.keys import Kind
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path, load_tiers
from invarlock.promotion.apply import apply_request
from invarlock.promotion.approval import approve, draft_approval
from invarlock.promotion.backtest import BackTest, Rejudged
from invarlock.promotion.checked import Checked, ensure_passed, keep_checks, last_checked
from invarlock.promotion.policy_checks import check_policy
from invarlock.promotion.promotion_config import PromotionConfig
from invarlock.promotion.promotion_result import PromotionResult
from invarlock.promotion.provenance import prove
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import PromotionRequest, State
from invarlock.promotion.review import Review, ReviewedChange, back_test_text, review_of
from invarlock.promotion.review_page import review_html
from invarlock.promotion.review_text import form_markdown, review_markdown
from invarlock.promotion.rollback import request_rollback
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.promotion.sweep_basis import Basis
from invarlock.reports.evaluation_report import Outcome
from tests.browser import layout_of
from tests.promotion.config_root import NOON, shipped_root
from tests.promotion.sweep_runs import finished_run, live, null_report, requested_of

CONFIG = PromotionConfig()
LATER = NOON + timedelta(hours=3)
LINES = ("--- tiers.yaml", "-    ffn: 3.849  # ```", "+    ffn: 4.095")
HOSTILE = "<script>alert(1)</script> | [x](javascript:y) **b**"


def flip(name: str, in_force: Outcome, candidate: Outcome, *, planted_fault: bool = False) -> Rejudged:
    return Rejudged(
        name=name,
        run_key=sha256_hex(name.encode()),
        tier=Tier.BALANCED,
        planted_fault=planted_fault,
        in_force=in_force,
        candidate=candidate,
        gates=("spectral_stable",) if in_force is not candidate else (),
    )


TESTED = BackTest(
    evaluations=(
        flip("stored/a", Outcome.FAIL, Outcome.PASS),
        flip("faults/b", Outcome.ABORTED, Outcome.ABORTED, planted_fault=True),
        flip("faults/c", Outcome.PASS, Outcome.PASS, planted_fault=True),
    )
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return shipped_root(tmp_path / "configs")


def asked(
    root: Path, folder: Path, z: dict[Family, float], **options: float
) -> tuple[PromotionRequest, tuple[Basis, ...]]:
    """A request of a finished run's patch, and what it is proved to rest on."""
    run = finished_run(folder, null_report(root, z, **options))  # type: ignore[arg-type]
    request = requested_of(root, run)
    return request, prove(request.patch, run, live_sha256=live(root))


def test_from_a_finished_run_to_policy_and_back(root: Path, tmp_path: Path) -> None:
    files = RuntimeFiles.of(root)
    before = live_tiers_path(root).read_bytes()
    request, bases = asked(root, tmp_path / "run", {Family.FFN: 3.9, Family.ATTN: 2.7})
    checks = check_policy(files, request, bases, CONFIG.limits)
    checked = keep_checks(request, bases, checks, TESTED, by="flow", at=NOON, root=root)
    assert last_checked(RequestStore(root), request.id) == checked
    assert Checked.model_validate_json(checked.model_dump_json()) == checked
    approval = draft_approval(
        request, checked, by="bea", reason="few runs, small step", at=LATER, config=CONFIG
    )
    approve(approval, CONFIG, now=LATER, root=root)
    apply_request(request.id, checked, CONFIG, by="cleo", now=LATER, root=root)
    caps = load_tiers(live_tiers_path(root)).balanced.spectral_guard.family_caps
    assert (caps[Family.FFN], caps[Family.ATTN]) == (4.095, 2.835)
    back = request_rollback(
        sha256_hex(before), requester="ann", reason="wrong model", created_at=LATER, root=root
    )
    checks = check_policy(files, back, (), CONFIG.limits)
    shown = keep_checks(back, (), checks, TESTED, by="flow", at=LATER, root=root)
    approve(
        draft_approval(back, shown, by="bea", reason="yes", at=LATER, config=CONFIG),
        CONFIG,
        now=LATER,
        root=root,
    )
    apply_request(back.id, shown, CONFIG, by="cleo", now=LATER, root=root)
    assert live_tiers_path(root).read_bytes() == before


def test_too_few_runs_are_refused_and_reviewed_with_their_marks(root: Path, tmp_path: Path) -> None:
    request, bases = asked(root, tmp_path / "run", {Family.FFN: 9.0, Family.ATTN: 2.7}, runs=1, target=0.01)
    checks = check_policy(RuntimeFiles.of(root), request, bases, CONFIG.limits)
    with pytest.raises(PromotionError) as refusal:
        ensure_passed(checks)
    for reason in (
        "runs: balanced has 1: at least 5",
        "independent observations: balanced has 1: at least 5",
        "UNSUPPORTED and loosened: balanced.spectral_guard.family_caps.ffn: the runs do not show a warning rate",
        "balanced.spectral_guard.family_caps.ffn from 3.849 to 9.45 is relaxed by 146%",
    ):
        assert reason in refusal.value.what
    review = review_of(request, bases, checks, None)
    assert not review.passed
    by_key = {each.change.path.rpartition(".")[2]: each for each in review.changes}
    assert by_key["ffn"].change.direction is Direction.LOOSENING
    assert by_key["ffn"].share == pytest.approx((9.45 - 3.849) / 3.849)
    assert by_key["attn"].change.direction is Direction.TIGHTENING
    assert by_key["attn"].share == 0
    assert all(each.unsupported for each in review.changes)
    assert review.bases == bases
    text = review_markdown(review, LINES)
    assert text.count("| UNSUPPORTED |") == 2
    assert text.count("null\\-sweep: UNSUPPORTED: the runs do not show a warning rate of 0.01") == 1
    assert "| NO |" in text
    assert "Not judged again" in text


@pytest.fixture
def review(root: Path, tmp_path: Path) -> Review:
    request, bases = asked(root, tmp_path / "run", {Family.FFN: 3.9, Family.ATTN: 2.7})
    hostile = request.model_copy(update={"reason": HOSTILE, "allow_large": "two\nlines"})
    return review_of(
        hostile, bases, check_policy(RuntimeFiles.of(root), request, bases, CONFIG.limits), TESTED
    )


def test_markdown_shows_every_change_check_and_flip_and_no_markup_of_others(review: Review) -> None:
    assert review.passed
    text = review_markdown(review, LINES)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert sum("family\\_caps" in row for row in rows) == 2
    [ffn] = [row for row in rows if "caps.ffn" in row]
    for shown in ("3.849", "4.095", "\\+6.4%", "loosening", "| supported |"):
        assert shown in ffn
    assert sum(row.endswith("| spectral\\_stable |") for row in rows) == 1
    assert text.count("null\\-sweep: 8 runs, 8 independent. 8 runs on 8 distinct sets of weights") == 1
    assert "\n- at: 2026\\-01\\-05 12:00 UTC\n" in text
    assert text.count(review.change_sha256) == 1  # whole at the end, else its beginning
    assert text.count(review.change_sha256[:12]) == 2
    assert "````diff\n--- tiers.yaml\n-    ffn: 3.849  # ```\n+    ffn: 4.095\n````\n" in text
    assert "<script>" not in text
    assert "](javascript" not in text
    assert "- large changes allowed because: two lines" in text
    for check in review.checks:
        assert f"| {check.name} | yes |" in text
    assert back_test_text(TESTED) in text


def test_the_back_test_in_words() -> None:
    assert back_test_text(TESTED) == (
        "3 stored evaluations judged again, 2 of known faults: 1 verdict would change; 1 known fault passed before and "
        "would still."
    )
    assert "nothing shows" in back_test_text(BackTest(evaluations=()))


def test_an_escaped_fault_stands_against_approval(review: Review) -> None:
    escaped = BackTest(evaluations=(flip("faults/d", Outcome.FAIL, Outcome.PASS, planted_fault=True),))
    assert not review.model_copy(update={"back_test": escaped}).passed
    assert "faults/d \\(known fault\\)" in review_markdown(
        review.model_copy(update={"back_test": escaped}), ()
    )


def test_the_page_says_the_same_and_escapes_it(review: Review) -> None:
    text = review_html(review, (*LINES, HOSTILE))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    for shown in (
        "ready for approval",
        "balanced.spectral_guard.family_caps.ffn",
        "4.095",
        "tightening",
        "stored/a",
        '<span class="removed">-    ffn: 3.849',
        '<span class="added">+    ffn: 4.095',
        "Hashes in full",
        review.base_sha256,
    ):
        assert shown in text
    for width in (1400, 390):
        found = layout_of(text, width=width)
        assert found.content <= found.window


def test_the_form_begins_with_what_changes_and_what_was_found(review: Review) -> None:
    text = form_markdown(review)
    first, second, _, verdict = text.splitlines()[:4]
    assert "`balanced.spectral_guard.family_caps.ffn` **3.849 → 4.095** +6.4% loosening" in (first + second)
    assert verdict == f"**6 checks passed.** {back_test_text(TESTED)}"
    assert "# " not in text
    assert "\n|" not in text  # a table is wider than the box
    assert "<script>" not in text
    for check in review.checks:
        assert f"- {check.name}: " in text


def test_the_terminal_says_once_what_the_changes_rest_on(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    z = {Family.FFN: 9.0, Family.ATTN: 2.7, Family.EMBED: 2.0, Family.OTHER: 1.0}
    request, bases = asked(root, tmp_path / "run", z, runs=1, target=0.01)
    show_result(
        PromotionResult(
            request_id=request.id, state=State.REFUSED, review=review_of(request, bases, (), None)
        ),
        None,
    )
    shown = capsys.readouterr().out
    assert shown.count(bases[0].statement) == 1
    assert shown.count("UNSUPPORTED: the runs do not show") == 1
    rows = [line for line in shown.splitlines() if "family_caps." in line]
    assert len(rows) == len(request.changes)
    assert all(
        each.change.path.partition(".")[2] in shown for each in review_of(request, bases, (), None).changes
    )
    assert shown.count("UNSUPPORTED") == len(rows) + 1
    assert max(map(len, rows)) <= 80


def test_the_longest_key_is_broken_before_its_last_part() -> None:
    change = Change(
        tier=Tier.CONSERVATIVE,
        path="conservative.spectral_guard.drift_caps.embed.relative_change",
        old=0.00078125,
        new=0.000625,
        kind=Kind.CALIBRATED,
        direction=Direction.TIGHTENING,
        relative=-0.2,
    )
    console = Console(width=80)
    with console.capture() as captured:
        console.print(
            changes_table(Tier.CONSERVATIVE, [ReviewedChange(change=change, share=0.0, basis=None)])
        )
    head, tail = captured.get().strip().splitlines()[-2:]
    assert head.split() == [
        "spectral_guard.drift_caps.embed",
        "0.00078125",
        "0.000625",
        "-20.0%",
        "tightening",
    ]
    assert tail.split() == [".relative_change"]
