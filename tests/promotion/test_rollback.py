"""An earlier policy comes back byte for byte, with an entry of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from invarlock.errors import PromotionError
from invarlock.policy.tiers_file import live_tiers_path, tiers_digest
from invarlock.promotion.hand_edit import record_hand_edit
from invarlock.promotion.history import EventKind
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import RollbackRequest, State
from invarlock.promotion.rollback import request_rollback
from invarlock.promotion.verify_history import verify_history
from tests.promotion.config_root import (
    NOON,
    apply,
    epsilon,
    promoted,
    requested,
    rolled_back,
    shipped_root,
    small_root,
)


def ask(root: Path, sha256: str, reason: str = "too loose") -> RollbackRequest:
    return request_rollback(sha256, requester="ann", reason=reason, created_at=NOON, root=root)


def test_the_old_bytes_come_back_and_can_be_left_again(tmp_path: Path) -> None:
    root = shipped_root(tmp_path)
    live = live_tiers_path(root)
    old = live.read_bytes()
    promotion = promoted(root, epsilon(0.02))
    new = live.read_bytes()
    promoted(root, epsilon(0.03))
    entry = rolled_back(root, promotion.event.from_sha256)
    assert live.read_bytes() == old
    assert entry.event.kind is EventKind.ROLLBACK
    assert [(change.old, change.new) for change in entry.event.changes] == [(0.03, 0.01)]
    assert (entry.number, entry.event.run, entry.event.reason) == (3, None, "too loose")
    assert entry.event.binding is not None
    assert RequestStore(root).state(entry.event.binding.request_id) is State.APPLIED
    rolled_back(root, promotion.event.to_sha256)
    assert live.read_bytes() == new
    assert verify_history(root) is None


def test_an_applied_patch_can_be_requested_again_after_its_rollback(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    first = requested(root, epsilon(0.02))
    entry = promoted(root, epsilon(0.02))
    assert entry.event.binding == first.binding
    rolled_back(root, entry.event.from_sha256)
    again = promoted(root, epsilon(0.02))
    assert again.event.binding is not None
    assert again.event.binding.request_id != first.id
    assert again.event.to_sha256 == entry.event.to_sha256


@pytest.mark.parametrize(
    ("sha256", "match"),
    [
        ("0" * 64, "never in force here"),
        ("../../../etc/passwd", "never in force here"),
        ("", "never in force"),
    ],
)
def test_only_versions_of_the_history_come_back(tmp_path: Path, sha256: str, match: str) -> None:
    root = small_root(tmp_path)
    promoted(root, epsilon(0.02))
    with pytest.raises(PromotionError, match=match):
        ask(root, sha256)
    with pytest.raises(PromotionError, match="is in force"):
        ask(root, tiers_digest(live_tiers_path(root)))


def test_an_altered_version_does_not_come_back(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    old = promoted(root, epsilon(0.02)).event.from_sha256
    request = ask(root, old)
    path = root / "runtime/history" / f"{old}.yaml"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(PromotionError, match=r"the history is broken: line 1.*altered"):
        ask(root, old, "again")
    assert RequestStore(root).state(request.id) is State.REQUESTED


def test_a_rollback_is_stale_when_the_policy_has_changed_since(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    old = promoted(root, epsilon(0.02)).event.from_sha256
    request = ask(root, old)
    in_force = promoted(root, epsilon(0.03)).event.to_sha256
    with pytest.raises(PromotionError, match="is stale"):
        apply(root, request)
    assert tiers_digest(live_tiers_path(root)) == in_force
    apply(root, ask(root, old))


def test_a_rollback_over_an_edit_that_is_not_recorded_is_refused_at_once(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    old = promoted(root, epsilon(0.02)).event.from_sha256
    with live_tiers_path(root).open("a") as live:
        live.write("# mine\n")
    with pytest.raises(PromotionError, match="the history does not know the policy in force"):
        ask(root, old)
    record_hand_edit(by="dan", reason="a remark", at=NOON, root=root)
    apply(root, ask(root, old))
