"""Names: two that look the same are one, and nobody takes the one that calibrations ask under."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from invarlock.errors import PromotionError
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.promotion.approval import draft_approval, reject
from invarlock.promotion.hand_edit import record_hand_edit
from invarlock.promotion.person import RECALIBRATION, person_name
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Origin
from invarlock.promotion.rollback import request_rollback
from invarlock.promotion.words import said, said_name
from tests.promotion.config_root import CONFIG, NOON, apply, checked, epsilon, promoted, requested, small_root

# Default-ignorable code points, by the blocks of Unicode's DerivedCoreProperties; those between belong to it too.
IGNORABLE = [
    0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0x200B, 0x2010),
    *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164, *range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0,
    *range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000),
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small_root(tmp_path / "configs")


def test_what_nobody_sees_is_in_no_name() -> None:
    every = [chr(point) for point in range(0x110000) if unicodedata.category(chr(point)) == "Cf"]
    for unseen in [*map(chr, IGNORABLE), *every, "\u2800"]:
        with pytest.raises(PromotionError, match=r"characters that nobody sees|control characters"):
            said_name(f"an{unseen}n", "who approves")


def test_a_refusal_shows_what_is_not_seen() -> None:
    with pytest.raises(PromotionError, match=r"U\+034F, U\+FE0F") as caught:
        said_name("a\ufe0fn\u034fn", "who approves")
    assert caught.value.where == r"'a\ufe0fn\u034fn'"


def test_names_and_reasons_of_the_world_are_taken() -> None:
    for name in ("Zoë", "Nguyễn Thị", "संध्या", "山田太郎", "O'Brien-Smith", "علی"):
        assert said_name(name, "who approves") == person_name(name, "who approves") == name
    assert said("watch out \u26a0\ufe0f", "a reason") == "watch out \u26a0\ufe0f"


@pytest.mark.parametrize("name", [RECALIBRATION, " Recalibration", "re calibration", "\uff52ecalibration"])
def test_nobody_is_called_as_recalibrations_are(root: Path, name: str) -> None:
    def refused(act: Callable[[], object]) -> None:
        with pytest.raises(
            PromotionError, match="is a person: under the name recalibration calibrations ask"
        ):
            act()

    refused(lambda: requested(root, epsilon(0.02), requester=name))
    request = requested(root, epsilon(0.03))
    shown = checked(root, request)
    refused(lambda: draft_approval(request, shown, by=name, reason="r", at=NOON, config=CONFIG))
    refused(lambda: reject(request, by=name, reason="r", at=NOON, root=root))
    promoted(root, epsilon(0.02))
    old = request.base_sha256
    refused(lambda: request_rollback(old, requester=name, reason="r", created_at=NOON, root=root))
    live_tiers_path(root).write_text(live_tiers_path(root).read_text() + "# edited\n")
    refused(lambda: record_hand_edit(by=name, reason="r", at=NOON, root=root))


def test_what_a_recalibration_asks_for_any_person_approves(root: Path) -> None:
    request = requested(root, epsilon(0.02), requester=RECALIBRATION, origin=Origin.RECALIBRATION)
    assert not request.is_asked_by("ann")
    assert requested(root, epsilon(0.03)).is_asked_by(" Ann")
    apply(root, request)


@pytest.mark.parametrize(("origin", "name"), [(Origin.PERSON, RECALIBRATION), (Origin.RECALIBRATION, "ann")])
def test_a_kept_request_whose_origin_was_changed_is_not_believed(
    root: Path, origin: Origin, name: str
) -> None:
    mine = Origin.RECALIBRATION if name == RECALIBRATION else Origin.PERSON
    request = requested(root, epsilon(0.02), requester=name, origin=mine)
    path = root / "runtime/promotions" / request.id / "request.json"
    path.write_text(path.read_text().replace(f'"origin": "{mine}"', f'"origin": "{origin}"'))
    with pytest.raises(PromotionError, match="the requester is not of the origin that is given"):
        RequestStore(root).request(request.id)


def test_a_request_that_does_not_say_its_origin_is_not_believed(root: Path) -> None:
    request = requested(root, epsilon(0.02))
    path = root / "runtime/promotions" / request.id / "request.json"
    path.write_text(path.read_text().replace('  "origin": "person",\n', ""))
    with pytest.raises(PromotionError, match=r"promotion\.origin: missing") as caught:
        RequestStore(root).request(request.id)
    assert caught.value.where == str(path)
