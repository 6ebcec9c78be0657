"""Which approvals count: of this very request, by somebody else, in time, and signed where that is asked for."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from invarlock.errors import PromotionError
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.promotion import signatures
from invarlock.promotion.apply import apply_request
from invarlock.promotion.approval import approve, counting_approvals, draft_approval, reject
from invarlock.promotion.approval_record import Approval
from invarlock.promotion.backtest import BackTest
from invarlock.promotion.checked import Checked, keep_checks, last_checked
from invarlock.promotion.history import HistoryEntry
from invarlock.promotion.policy_checks import PolicyCheck
from invarlock.promotion.promotion_config import PromotionConfig, Signatures
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import PromotionRequest, State, Step
from invarlock.promotion.steps import record_step
from tests.promotion.config_root import CONFIG, NOON, PASSED, apply, checked, epsilon, requested, small_root

needs_ssh = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen, with which approvals are signed, is not installed"
)
SIGNED = PromotionConfig(signatures=Signatures(required=True, allowed_signers="allowed_signers"))
OPTIONAL = PromotionConfig(signatures=Signatures(allowed_signers="allowed_signers"))
LATER = NOON + timedelta(days=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small_root(tmp_path / "configs")


@dataclass(frozen=True)
class Asked:
    """A request with what its approvers are shown."""

    request: PromotionRequest
    shown: Checked

    @property
    def id(self) -> str:
        return self.request.id


def asked(root: Path, value: float = 0.02, requester: str = "ann") -> Asked:
    request = requested(root, epsilon(value), requester=requester)
    return Asked(request, checked(root, request))


def draft(asked: Asked, by: str = "bea", config: PromotionConfig = CONFIG) -> Approval:
    return draft_approval(asked.request, asked.shown, by=by, reason="looks right", at=LATER, config=config)


def applied(root: Path, request_id: str, config: PromotionConfig, *, by: str, now: datetime) -> HistoryEntry:
    found = last_checked(RequestStore(root), request_id)
    return apply_request(request_id, found, config, by=by, now=now, root=root)


def refused(
    root: Path, approval: Approval, reason: str, config: PromotionConfig = CONFIG, *, fix: str = ""
) -> None:
    """Neither kept, nor counted were it kept by other means. fix: what must be among what helps."""
    with pytest.raises(PromotionError, match=reason) as refusal:
        approve(approval, config, now=LATER, root=root)
    assert fix in str(refusal.value.fix)
    request_id = approval.binding.request_id
    record_step(Step.APPROVED, approval, root=root)
    with pytest.raises(PromotionError, match=reason):
        applied(root, request_id, config, by="cleo", now=LATER)
    assert RequestStore(root).state(request_id) is not State.APPLIED


def test_an_approval_by_somebody_else_lets_the_request_be_applied(root: Path) -> None:
    request = asked(root)
    approval = approve(draft(request), CONFIG, now=LATER, root=root)
    assert approval.expires_at == LATER + timedelta(days=7)
    assert counting_approvals(request.id, CONFIG, now=LATER, root=root) == (approval,)
    entry = applied(root, request.id, CONFIG, by="cleo", now=LATER)
    assert [approver.by for approver in entry.event.approvals] == ["bea"]
    far = LATER + timedelta(days=99)
    assert applied(root, request.id, CONFIG, by="dora", now=far) == entry


@pytest.mark.parametrize("by", ["ann", "Ann ", " ANN", "ａｎｎ"])
def test_nobody_approves_his_own_request_unless_the_config_says_so(root: Path, by: str) -> None:
    request = asked(root)
    refused(root, draft(request, by), "four eyes", fix="have another person approve it")
    alone = PromotionConfig(four_eyes=False)
    applied(root, request.id, alone, by="ann", now=LATER)


@pytest.mark.parametrize("by", ["Ann  Lee", "ann lee", "annlee", "ＡＮＮ Lee"])
def test_blanks_inside_a_name_make_no_second_person(root: Path, by: str) -> None:
    request = asked(root, requester="Ann Lee")
    refused(root, draft(request, by), "four eyes")
    approve(draft(request, "Ann Leeds"), CONFIG, now=LATER, root=root)


def test_nothing_is_approved_by_nobody(root: Path) -> None:
    request = asked(root)
    with pytest.raises(PromotionError, match="nobody has approved it"):
        counting_approvals(request.id, CONFIG, now=LATER, root=root)
    for words in ({"by": " ", "reason": "yes"}, {"by": "bea", "reason": ""}):
        with pytest.raises(PromotionError, match="is missing"):
            draft_approval(request.request, request.shown, at=LATER, config=CONFIG, **words)


def test_approvals_expire(root: Path) -> None:
    request = asked(root)
    approval = approve(draft(request), CONFIG, now=LATER, root=root)
    last = approval.expires_at - timedelta(seconds=1)
    assert counting_approvals(request.id, CONFIG, now=last, root=root)
    with pytest.raises(PromotionError, match="the approval of bea expired at 2026-01-13"):
        applied(root, request.id, CONFIG, by="cleo", now=approval.expires_at)
    shorter = PromotionConfig(expires_days=1)
    with pytest.raises(PromotionError, match="expired at 2026-01-07"):
        counting_approvals(request.id, shorter, now=last, root=root)
    again = draft_approval(
        request.request, request.shown, by="bea", reason="still right", at=approval.expires_at, config=CONFIG
    )
    approve(again, CONFIG, now=approval.expires_at, root=root)
    assert counting_approvals(request.id, CONFIG, now=approval.expires_at, root=root) == (again,)


def test_an_approval_cannot_give_itself_more_time(root: Path) -> None:
    request = asked(root)
    old = draft(request).model_copy(
        update={"at": LATER - timedelta(days=8), "expires_at": LATER + timedelta(days=999)}
    )
    refused(root, old, "expired", fix="`expires_days` in runtime/promotion.yaml")
    tomorrow = draft(request).model_copy(update={"at": LATER + timedelta(days=1)})
    refused(root, tomorrow, "yet to come", fix="set the clock")


def test_an_approval_of_another_request_is_foreign(root: Path) -> None:
    request, other = asked(root, 0.02), asked(root, 0.03)
    theirs = draft(other)
    moved = theirs.model_copy(
        update={"binding": theirs.binding.model_copy(update={"request_id": request.id})}
    )
    elsewhere = draft(request).binding.model_copy(update={"base_sha256": "0" * 64})
    reworded = draft(request).binding.model_copy(update={"request_sha256": "0" * 64})
    for foreign, reason in (
        (moved, "is of another patch"),
        (draft(request).model_copy(update={"binding": elsewhere}), "of another policy"),
        (draft(request).model_copy(update={"binding": reworded}), "another request, or this one was altered"),
    ):
        with pytest.raises(PromotionError, match=reason):
            approve(foreign, CONFIG, now=LATER, root=root)
    with pytest.raises(PromotionError, match="nobody has approved it"):
        applied(root, request.id, CONFIG, by="cleo", now=LATER)


def test_an_approval_altered_where_it_is_kept_is_not_believed(root: Path) -> None:
    request = asked(root)
    approve(draft(request), CONFIG, now=LATER, root=root)
    path = root / "runtime/promotions" / request.id / "approved-001.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"binding": kept["binding"] | {"change_sha256": "0" * 64}}))
    with pytest.raises(PromotionError, match="cannot be believed"):
        applied(root, request.id, CONFIG, by="cleo", now=LATER)


def test_a_request_for_a_policy_that_is_gone_is_not_approved(root: Path) -> None:
    first, second = asked(root, 0.02), asked(root, 0.03)
    apply(root, first.request)
    with pytest.raises(PromotionError, match="is stale: it was made for the policy"):
        approve(draft(second), CONFIG, now=LATER, root=root)
    with live_tiers_path(root).open("a") as live:
        live.write("# by hand\n")
    with pytest.raises(PromotionError, match="stale"):
        approve(draft(second), CONFIG, now=LATER, root=root)


def test_an_unchecked_request_is_neither_approved_nor_applied(root: Path) -> None:
    request, other = requested(root, epsilon(0.02)), asked(root, 0.03)
    refused(root, draft(Asked(request, other.shown)), "is not checked")


def test_an_approval_of_other_checks_does_not_count(root: Path) -> None:
    request, other = asked(root), asked(root, 0.03)
    theirs = draft(Asked(request.request, other.shown))
    refused(root, theirs, "of other checks than the last ones", fix=f"promote show {request.id}")
    assert theirs.statement != draft(request).statement  # what is signed
    approve(draft(request), CONFIG, now=LATER, root=root)
    path = root / "runtime/promotions" / request.id / "checked-001.json"
    path.write_text(path.read_text().replace("the result passes", "by hand: the result passes"))
    with pytest.raises(PromotionError, match="of other checks"):
        applied(root, request.id, CONFIG, by="cleo", now=LATER)


def test_failed_checks_are_not_kept_as_passed(root: Path) -> None:
    request = requested(root, epsilon(0.02))
    failed = PolicyCheck(name="runs", passed=False, reason="balanced has 4: at least 5")
    for checks in ([PASSED, failed], []):
        with pytest.raises(PromotionError, match="does not meet the policy checks"):
            keep_checks(request, (), checks, BackTest(evaluations=()), by="flow", at=NOON, root=root)
    assert RequestStore(root).state(request.id) is State.REQUESTED


def test_a_rejected_request_is_closed_and_says_why(root: Path) -> None:
    request = asked(root)
    approve(draft(request), CONFIG, now=LATER, root=root)
    with pytest.raises(PromotionError, match="a reason is missing"):
        reject(request.request, by="bea", reason=" ", at=LATER, root=root)
    assert reject(request.request, by="bea", reason="too early", at=LATER, root=root).reason == "too early"
    assert RequestStore(root).state(request.id) is State.REJECTED
    for attempt in (
        lambda: approve(draft(request), CONFIG, now=LATER, root=root),
        lambda: applied(root, request.id, CONFIG, by="cleo", now=LATER),
    ):
        with pytest.raises(PromotionError, match="is rejected: nothing more can happen"):
            attempt()


def new_key(folder: Path, name: str) -> Path:
    key = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True, timeout=30
    )
    return key


def allow(root: Path, **keys: Path) -> None:
    lines = [f"{name} {key.with_suffix('.pub').read_text()}" for name, key in keys.items()]
    (root / "runtime/allowed_signers").write_text("".join(lines))


@pytest.fixture
def keys(root: Path, tmp_path: Path) -> dict[str, Path]:
    """Private keys by name; all but mallory may sign."""
    made = {name: new_key(tmp_path, name) for name in ("bea", "cleo", "mallory")}
    allow(root, bea=made["bea"], cleo=made["cleo"])
    return made


@needs_ssh
def test_a_signed_approval_counts_where_signatures_are_required(root: Path, keys: dict[str, Path]) -> None:
    request = asked(root)
    refused(root, draft(request), "the approval of bea is not signed", SIGNED, fix="`--sign KEY`")
    approval = approve(draft(request).signed(keys["bea"]), SIGNED, now=LATER, root=root)
    assert counting_approvals(request.id, SIGNED, now=LATER, root=root) == (approval,)
    entry = applied(root, request.id, SIGNED, by="cleo", now=LATER)
    assert [approver.at for approver in entry.event.approvals] == [approval.at]


def forged(change: dict[str, object]) -> Callable[[Approval, dict[str, Path]], Approval]:
    return lambda approval, keys: approval.signed(keys["bea"]).model_copy(update=change)


def of_another(approval: Approval, keys: dict[str, Path]) -> Approval:
    return approval.signed(keys["cleo"])


def of_a_stranger(approval: Approval, keys: dict[str, Path]) -> Approval:
    return approval.signed(keys["mallory"])


def by_a_stranger(approval: Approval, keys: dict[str, Path]) -> Approval:
    return approval.model_copy(update={"by": "mallory"}).signed(keys["mallory"])


def for_git(approval: Approval, keys: dict[str, Path]) -> Approval:
    made = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-f", str(keys["bea"]), "-n", "git"],
        input=approval.statement,
        capture_output=True,
        check=True,
        timeout=30,
    )
    return approval.model_copy(update={"signature": made.stdout.decode()})


@needs_ssh
@pytest.mark.parametrize("config", [SIGNED, OPTIONAL], ids=["required", "optional"])
@pytest.mark.parametrize(
    "forge",
    [
        of_another,
        of_a_stranger,
        by_a_stranger,
        for_git,
        forged({"reason": "whatever"}),
        forged({"by": "cleo"}),
        forged({"expires_at": LATER + timedelta(days=3)}),
        forged({"signature": "no signature"}),
        forged({"signature": ""}),
    ],
)
def test_a_bad_signature_is_refused_whether_required_or_not(
    root: Path,
    keys: dict[str, Path],
    config: PromotionConfig,
    forge: Callable[[Approval, dict[str, Path]], Approval],
) -> None:
    refused(
        root,
        forge(draft(asked(root)), keys),
        "the signature of [a-z]+ is bad: .",
        config,
        fix=f"the key that {root}",
    )


@needs_ssh
def test_a_key_that_is_taken_away_counts_no_longer(root: Path, keys: dict[str, Path]) -> None:
    request = asked(root)
    approve(draft(request).signed(keys["bea"]), SIGNED, now=LATER, root=root)
    allow(root, cleo=keys["cleo"])
    with pytest.raises(PromotionError, match="the signature of bea is bad"):
        applied(root, request.id, SIGNED, by="cleo", now=LATER)
    (root / "runtime/allowed_signers").unlink()
    with pytest.raises(PromotionError, match="there is no allowed_signers file"):
        applied(root, request.id, SIGNED, by="cleo", now=LATER)


@needs_ssh
def test_a_signature_that_nobody_can_check_does_not_count(root: Path, keys: dict[str, Path]) -> None:
    refused(
        root,
        draft(asked(root)).signed(keys["bea"]),
        "cannot be checked: no allowed_signers",
        fix="approve without --sign",
    )


@needs_ssh
def test_an_unsigned_approval_counts_where_signatures_are_optional(root: Path, keys: dict[str, Path]) -> None:
    request = asked(root)
    approve(draft(request), OPTIONAL, now=LATER, root=root)
    signed = draft(request, "cleo").signed(keys["cleo"])
    approve(signed, OPTIONAL, now=LATER, root=root)
    assert len(counting_approvals(request.id, OPTIONAL, now=LATER, root=root)) == 2
    assert counting_approvals(request.id, SIGNED, now=LATER, root=root) == (signed,)


@needs_ssh
def test_a_key_that_cannot_sign_is_told(root: Path, tmp_path: Path) -> None:
    with pytest.raises(PromotionError, match="ssh-keygen cannot sign"):
        draft(asked(root)).signed(tmp_path / "none")


def test_without_ssh_keygen_nothing_is_signed_or_believed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (root / "runtime/allowed_signers").write_text("")
    with pytest.raises(PromotionError, match="ssh-keygen is not installed"):
        signatures.flaw_of(b"", "", by="bea", allowed_signers=root / "runtime/allowed_signers")
    with pytest.raises(PromotionError, match="ssh-keygen is not installed"):
        draft(asked(root)).signed(tmp_path / "key")


def test_several_flaws_are_told_with_what_helps_against_each(root: Path) -> None:
    request = asked(root)
    for approval in (draft(request, "ann"), draft(request), draft(request)):
        record_step(
            Step.APPROVED, approval.model_copy(update={"at": LATER, "reason": approval.by}), root=root
        )
    with pytest.raises(PromotionError) as refusal:
        counting_approvals(request.id, CONFIG, now=LATER + timedelta(days=8), root=root)
    assert str(refusal.value.fix).count("approve again") == 1
    nobody = asked(root, 0.07)
    with pytest.raises(PromotionError, match="nobody has approved it") as refusal:
        counting_approvals(nobody.id, SIGNED, now=LATER, root=root)
    assert f"`invarlock promote approve {nobody.id} --reason WHY --sign KEY`" in str(refusal.value.fix)


def test_nothing_is_approved_on_a_broken_history(root: Path) -> None:
    apply(root, requested(root, epsilon(0.03)))
    request = asked(root)
    (root / "runtime/history.jsonl").unlink()
    with pytest.raises(
        PromotionError, match=r"the history is broken: request .* was applied by an entry that is not"
    ):
        approve(draft(request), CONFIG, now=LATER, root=root)
