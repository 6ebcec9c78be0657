"""A request becomes policy once, on the policy that it was made for, and only as it was approved."""

from __future__ import annotations

import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from invarlock.digests import sha256_hex
from invarlock.errors import PolicyError, PromotionError
from invarlock.home import shipped
from invarlock.policy.diff import Direction
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import apply_patch, live_tiers_path, load_tiers, read_tiers, tiers_digest
from invarlock.promotion.apply import apply_request
from invarlock.promotion.backtest import BackTest, Rejudged
from invarlock.promotion.checked import Checked, keep_checks
from invarlock.promotion.hand_edit import record_hand_edit
from invarlock.promotion.history import EventKind
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Applied, State, Step, StepRecord
from invarlock.promotion.steps import record_step
from invarlock.promotion.turn import Stage
from invarlock.promotion.verify_history import verify_history
from invarlock.reports.evaluation_report import Outcome
from tests.promotion.config_root import (
    CONFIG,
    NOON,
    PASSED,
    SMALL,
    apply,
    apply_kept,
    approved,
    checked,
    epsilon,
    promoted,
    requested,
    rolled_back,
    shipped_root,
    small_root,
)
from tests.promotion.patches import Values, patch_yaml

SHIPPED = shipped("configs/runtime/tiers.yaml")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small_root(tmp_path)


def state(root: Path, request_id: str) -> State:
    return RequestStore(root).state(request_id)


def test_the_shipped_file_keeps_every_line_but_those_of_the_patch(tmp_path: Path) -> None:
    root = shipped_root(tmp_path)
    values: Values = {
        "balanced": {
            "spectral_guard": {
                "family_caps": {"ffn": 3.9, "other": 1.5},
                "multiple_testing": {"method": "bh", "alpha": 0.0475, "m": 4},
                "drift_caps": {"ffn": {"log_sigma": 0.25}},
            }
        },
        "aggressive": {"variance_guard": {"min_effect_lognll": 0.021}},
    }
    entry = promoted(root, values)
    expected = (
        SHIPPED.read_text()
        .replace("      ffn: 3.849\n", "      ffn: 3.9\n", 1)
        .replace("      other: 0.0\n", "      other: 1.5\n", 1)
        .replace("alpha: 0.05  ", "alpha: 0.0475", 1)
        .replace("families counted\n", "families counted\n    drift_caps:\n      ffn:\n        log_sigma: 0.25\n", 1)
        .replace("min_effect_lognll: 0.033 ", "min_effect_lognll: 0.021 ", 1)
    )  # fmt: skip
    assert live_tiers_path(root).read_text() == expected
    assert entry.event.to_sha256 == tiers_digest(live_tiers_path(root))
    assert entry.event.from_sha256 == tiers_digest(SHIPPED)
    assert (root / "runtime/history" / f"{tiers_digest(SHIPPED)}.yaml").read_bytes() == SHIPPED.read_bytes()
    patched = apply_patch(load_tiers(SHIPPED), read_tiers(patch_yaml(values), Path("patch")))
    assert load_tiers(live_tiers_path(root)).given() == patched.given()
    assert verify_history(root) is None


def test_the_history_says_who_what_why_and_from_which_run(root: Path) -> None:
    before = tiers_digest(live_tiers_path(root))
    request = requested(root, epsilon(0.02))
    entry = apply(root, request)
    event = entry.event
    assert (event.kind, event.requester, event.reason) == (EventKind.PROMOTION, "ann", "recalibrated")
    assert (event.from_sha256, event.to_sha256) == (before, tiers_digest(live_tiers_path(root)))
    assert event.run is not None
    assert event.run.mlflow_run_id == "run-1"
    assert [approver.by for approver in event.approvals] == ["bea"]
    assert (event.applied_by, event.at) == ("cleo", NOON + timedelta(hours=2))
    [change] = event.changes
    assert (change.path, change.old, change.new) == (
        "balanced.rmt_guard.epsilon_by_family.ffn", 0.01, 0.02,
    )  # fmt: skip
    assert change.direction is Direction.LOOSENING
    assert state(root, request.id) is State.APPLIED
    [applied] = RequestStore(root).records(request.id, Step.APPLIED, Applied)
    assert (applied.entry_sha256, applied.to_sha256) == (entry.sha256, event.to_sha256)


def test_applying_again_gives_the_entry_and_changes_nothing(root: Path) -> None:
    request = requested(root, epsilon(0.02))
    entry = apply(root, request)
    promoted(root, epsilon(0.03))
    files = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    again = apply_kept(root, request)
    assert again == entry
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == files


def test_the_second_of_two_requests_is_stale_and_stays_so(root: Path) -> None:
    first, second = requested(root, epsilon(0.02)), requested(root, epsilon(0.03))
    approved(root, second)
    in_force = apply(root, first).event.to_sha256
    for match in ("is stale: it was made for the policy", "is stale: nothing more can happen"):
        with pytest.raises(PromotionError, match=match):
            apply_kept(root, second)
    assert state(root, second.id) is State.STALE
    assert tiers_digest(live_tiers_path(root)) == in_force


def test_a_request_does_not_come_back_to_life_with_a_rollback(root: Path) -> None:
    first, second = requested(root, epsilon(0.02)), requested(root, epsilon(0.03))
    approved(root, second)
    rolled_back(root, apply(root, first).event.from_sha256)
    with pytest.raises(PromotionError, match="changed and changed back"):
        apply_kept(root, second)
    anew = requested(root, epsilon(0.03))
    assert anew.id != second.id
    apply(root, anew)


def test_nothing_is_applied_without_an_approval_of_this_very_request(root: Path) -> None:
    request, other = requested(root, epsilon(0.02)), requested(root, epsilon(0.03))
    with pytest.raises(PromotionError, match="is not checked"):
        apply_kept(root, request)
    checked(root, request)
    approved(root, other)
    with pytest.raises(PromotionError, match="nobody has approved it"):
        apply_kept(root, request)
    folder = root / "runtime/promotions"
    shutil.copy(folder / other.id / "approved-001.json", folder / request.id)
    with pytest.raises(PromotionError, match="about another request"):
        apply_kept(root, request)
    assert state(root, request.id) is State.APPROVED
    assert not (root / "runtime/history.jsonl").exists()


def test_an_approval_is_of_the_checks_that_were_shown(root: Path) -> None:
    request = requested(root, epsilon(0.02))
    approved(root, request)
    stricter = PASSED.model_copy(update={"numbers": {"floor": 9}})
    found = keep_checks(request, (), [stricter], BackTest(evaluations=()), by="flow", at=NOON, root=root)
    with pytest.raises(PromotionError, match="the approval of bea is of other checks than the last ones"):
        apply_kept(root, request)
    assert state(root, request.id) is State.APPROVED
    approval = approved(root, request)  # of the first findings, found again
    with pytest.raises(PromotionError, match="was checked again since"):
        apply_request(request.id, found, CONFIG, by="cleo", now=NOON, root=root)
    assert apply_kept(root, request).event.checked_sha256 == approval.checked_sha256


def rejudged(name: str, in_force: Outcome, candidate: Outcome) -> Rejudged:
    return Rejudged(
        name=name,
        run_key=sha256_hex(name.encode()),
        tier=Tier.BALANCED,
        planted_fault=False,
        in_force=in_force,
        candidate=candidate,
        gates=(),
    )


FAILS = rejudged("a", Outcome.FAIL, Outcome.FAIL)


@pytest.mark.parametrize(
    ("more", "as_before"),
    [
        ((FAILS,), True),
        ((FAILS, rejudged("b", Outcome.PASS, Outcome.PASS)), True),
        ((FAILS, rejudged("b", Outcome.PASS, Outcome.FAIL)), False),
        ((), False),
        ((rejudged("a", Outcome.ABORTED, Outcome.FAIL),), False),
    ],
    ids=["the same", "one more", "one more that flips", "one is gone", "another verdict"],
)
def test_checks_are_kept_again_when_they_show_something_else(
    root: Path, more: tuple[Rejudged, ...], as_before: bool
) -> None:
    request = requested(root, epsilon(0.02))
    kept = [
        keep_checks(request, (), [PASSED], BackTest(evaluations=found), by="flow", at=at, root=root)
        for found, at in (((FAILS,), NOON), (more, NOON + timedelta(days=1)))
    ]
    assert (kept[0] == kept[1]) == as_before
    assert len(RequestStore(root).records(request.id, Step.CHECKED, Checked)) == 2 - as_before
    with pytest.raises(PromotionError, match="no stored evaluation was judged again"):
        keep_checks(request, (), [PASSED], None, by="flow", at=NOON, root=root)


BEFORE_THE_SWAP = [Stage.STARTED, Stage.PENDING, Stage.KEPT, Stage.STAGED]


@pytest.mark.parametrize("stage", Stage)
def test_an_edit_while_it_is_applied_is_never_lost(root: Path, stage: Stage) -> None:
    """By an editor, which knows nothing of turns."""
    promoted(root, epsilon(0.05))
    request = requested(root, epsilon(0.02))
    approved(root, request)
    live = live_tiers_path(root)

    def edit(reached: Stage) -> None:
        if reached is stage:
            live.write_text(live.read_text() + "  metrics: {pm_tail: {mode: fail}}\n")

    if stage in BEFORE_THE_SWAP:
        with pytest.raises(PromotionError, match="is stale: the tiers file was edited while it was applied"):
            apply_kept(root, request, edit)
        assert state(root, request.id) is State.STALE
    else:
        apply_kept(root, request, edit)
    assert "pm_tail" in live.read_text()
    assert not (root / "runtime/.history.pending").exists()
    assert "runtime/tiers.yaml was edited since" in str(verify_history(root))
    entry = record_hand_edit(by="dan", reason="tails count now", at=NOON, root=root)
    assert [change.path for change in entry.event.changes] == ["conservative.metrics.pm_tail.mode"]
    assert verify_history(root) is None


def test_an_edit_while_the_first_is_applied_leaves_nothing_behind(root: Path) -> None:
    request = requested(root, epsilon(0.02))
    approved(root, request)
    live = live_tiers_path(root)
    with pytest.raises(PromotionError, match="is stale"):
        apply_kept(root, request, lambda stage: live.write_text(SMALL + "# mine\n") and None)
    assert live.read_text() == SMALL + "# mine\n"
    assert verify_history(root) is None
    promoted(root, epsilon(0.02))
    assert verify_history(root) is None


def test_a_rejected_request_is_closed(root: Path) -> None:
    request = requested(root, epsilon(0.02))
    approved(root, request)
    record_step(Step.REJECTED, StepRecord(binding=request.binding, by="bea", at=NOON, reason="no"), root=root)
    with pytest.raises(PromotionError, match="rejected"):
        apply_kept(root, request)


def test_a_request_altered_after_its_approval_is_refused(root: Path) -> None:
    request = requested(root, epsilon(0.02))
    approved(root, request)
    path = root / "runtime/promotions" / request.id / "request.json"
    for old, new in (("ffn: 0.02", "ffn: 0.9"), ('"ann"', '"eve"'), (request.id, "0" * 16)):
        text = path.read_text()
        path.write_text(text.replace(old, new))
        with pytest.raises(PromotionError, match=r"cannot be believed|not approved|altered"):
            apply_kept(root, request)
        path.write_text(text)
    apply_kept(root, request)


def test_reviewers_are_shown_what_the_patch_changes(root: Path) -> None:
    request = requested(root, epsilon(0.9))
    path = root / "runtime/promotions" / request.id / "request.json"
    path.write_text(path.read_text().replace('"new": 0.9', '"new": 0.011'))
    shown = RequestStore(root).request(request.id)
    assert [change.new for change in shown.changes] == [0.011]
    with pytest.raises(PromotionError, match="something else than its reviewers were shown"):
        apply(root, shown)
    assert read_tiers(live_tiers_path(root).read_text(), root) == read_tiers(SMALL, root)


def test_an_edit_by_hand_makes_requests_stale_and_must_be_recorded(root: Path) -> None:
    promoted(root, epsilon(0.02))
    request = requested(root, epsilon(0.03))
    live = live_tiers_path(root)
    live.write_text(live.read_text() + "  metrics: {pm_tail: {mode: fail}}\n")
    with pytest.raises(PromotionError, match="is stale"):
        apply(root, request)
    request = requested(root, epsilon(0.03))
    with pytest.raises(PromotionError, match="the history does not know the policy in force"):
        apply(root, request)
    assert str(verify_history(root)).startswith("line 1: runtime/tiers.yaml was edited since")
    entry = record_hand_edit(by="dan", reason="tails count now", at=NOON, root=root)
    assert (entry.event.kind, entry.event.requester) == (EventKind.EDIT, "dan")
    assert [change.path for change in entry.event.changes] == ["conservative.metrics.pm_tail.mode"]
    assert verify_history(root) is None
    apply(root, requested(root, epsilon(0.03)))
    with pytest.raises(PromotionError, match="no edit to record"):
        record_hand_edit(by="dan", reason="again", at=NOON, root=root)


def test_an_edit_that_is_no_policy_is_not_recorded(root: Path) -> None:
    with pytest.raises(PromotionError, match="begins with the first promotion"):
        record_hand_edit(by="dan", reason="first", at=NOON, root=root)
    promoted(root, epsilon(0.02))
    live_tiers_path(root).write_text("balanced: {rmt_guard: {margin: -1}}\n")
    with pytest.raises(PolicyError, match="margin"):
        record_hand_edit(by="dan", reason="oops", at=NOON, root=root)


def test_what_a_sweep_recommends_is_not_edited_by_hand(root: Path) -> None:
    promoted(root, epsilon(0.02))
    live, history = live_tiers_path(root), (root / "runtime/history.jsonl").read_bytes()
    text = live.read_text()
    live.write_text(text.replace("0.02", "0.9") + "  metrics: {pm_tail: {mode: fail}}\n")
    with pytest.raises(
        PromotionError, match=r"not changed by hand: balanced\.rmt_guard\.epsilon_by_family\.ffn\n"
    ):
        record_hand_edit(by="dan", reason="quick", at=NOON, root=root)
    assert (root / "runtime/history.jsonl").read_bytes() == history
    live.write_text(text + "  metrics: {pm_tail: {mode: fail}}\n")
    record_hand_edit(by="dan", reason="tails count now", at=NOON, root=root)


def test_the_new_file_may_be_read_by_whoever_could_read_the_old(root: Path) -> None:
    live_tiers_path(root).chmod(0o640)
    promoted(root, epsilon(0.02))
    assert stat.S_IMODE(live_tiers_path(root).stat().st_mode) == 0o640
