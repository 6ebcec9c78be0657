"""kill -9 at any stage: the old policy is in force or the new one is, and the next turn finishes what was begun."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from invarlock.digests import sha256_hex
from invarlock.errors import PromotionError
from invarlock.policy.tiers_file import live_tiers_path, load_tiers, tiers_digest
from invarlock.promotion.candidate import candidate_of
from invarlock.promotion.hand_edit import record_hand_edit
from invarlock.promotion.history import HistoryEntry
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Applied, Request, State, Step
from invarlock.promotion.rollback import request_rollback
from invarlock.promotion.turn import Stage, turn
from invarlock.promotion.verify_history import verify_history
from tests.promotion.config_root import (
    NOON,
    apply,
    apply_kept,
    approved,
    epsilon,
    promoted,
    requested,
    rolled_back,
    small_root,
)

# Applies the request of each config root in a process of its own, which says that it reached the stage, stops
# there, and is killed.
KILLER = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from invarlock.promotion.apply import apply_request
from invarlock.promotion.checked import last_checked
from invarlock.promotion.promotion_config import PromotionConfig
from invarlock.promotion.request_store import RequestStore

def stop(stage):
    if stage.name == sys.argv[1]:
        os.write(told, b"x")
        signal.pause()

for root, request_id in zip(sys.argv[2::2], sys.argv[3::2]):
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        checked = last_checked(RequestStore(Path(root)), request_id)
        now = datetime.fromisoformat("2026-01-05T14:00:00+00:00")
        apply_request(request_id, checked, PromotionConfig(), by="cleo", now=now, root=Path(root), reached=stop)
        os._exit(1)
    os.close(told)
    assert os.read(heard, 1) == b"x"
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
"""

SWAPPED = [Stage.SWAPPED, Stage.APPENDED, Stage.RECORDED, Stage.DONE]


def kill_at(stage: Stage, *cases: tuple[Path, Request]) -> None:
    arguments = [part for root, request in cases for part in (str(root), request.id)]
    subprocess.run([sys.executable, "-c", KILLER, stage.name, *arguments], check=True, timeout=120)


def in_force(root: Path) -> str:
    load_tiers(live_tiers_path(root))
    return tiers_digest(live_tiers_path(root))


def what_is_left(root: Path) -> set[str]:
    return {path.name for path in (root / "runtime").iterdir()}


WHOLE = {"tiers.yaml", "history", "history.jsonl", "promotions", ".promotion.lock"}


def ready(root: Path, request: Request) -> tuple[Request, str]:
    approved(root, request)
    with turn(root) as store:
        return request, candidate_of(store.files, request).sha256


def history(root: Path) -> list[str]:
    path = root / "runtime/history.jsonl"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("stage", Stage)
def test_killed_at_any_stage(tmp_path: Path, stage: Stage) -> None:
    first, later = small_root(tmp_path / "first"), small_root(tmp_path / "later")
    promoted(later, epsilon(0.05))
    resumed = [(root, ready(root, requested(root, epsilon(0.02)))) for root in (first, later)]
    left = small_root(tmp_path / "left")
    request, new = ready(left, requested(left, epsilon(0.02)))
    kill_at(stage, *((root, request) for root, (request, _) in resumed), (left, request))

    for root, (wanted, version) in resumed:
        assert in_force(root) == (version if stage in SWAPPED else wanted.base_sha256)
        entry = apply_kept(root, wanted)
        assert in_force(root) == version == entry.event.to_sha256
        assert len(history(root)) == (1 if root is first else 2)
        assert verify_history(root) is None
        assert what_is_left(root) == WHOLE
        [applied] = RequestStore(root).records(wanted.id, Step.APPLIED, Applied)
        assert applied.entry_sha256 == entry.sha256

    assert in_force(left) == (new if stage in SWAPPED else request.base_sha256)
    whoever_comes_next_finishes_it(left, request, swapped=stage in SWAPPED)


def whoever_comes_next_finishes_it(root: Path, request: Request, *, swapped: bool) -> None:
    before = in_force(root)
    assert verify_history(root) is None
    assert in_force(root) == before
    assert RequestStore(root).state(request.id) is (State.APPLIED if swapped else State.APPROVED)
    assert len(history(root)) == int(swapped)
    assert what_is_left(root) | {"history.jsonl", "history"} == WHOLE
    files = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert verify_history(root) is None  # nothing is left to finish
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == files


def test_a_rollback_is_finished_too(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    old = promoted(root, epsilon(0.02)).event.from_sha256
    request = request_rollback(old, requester="ann", reason="back", created_at=NOON, root=root)
    approved(root, request)
    kill_at(Stage.SWAPPED, (root, request))
    assert verify_history(root) is None
    assert in_force(root) == old
    assert len(history(root)) == 2


@pytest.mark.parametrize("part", [1, 40, -1])
def test_a_line_that_a_kill_left_unfinished_is_written_whole(tmp_path: Path, part: int) -> None:
    root = small_root(tmp_path)
    promoted(root, epsilon(0.05))
    request, new = ready(root, requested(root, epsilon(0.02)))
    kill_at(Stage.SWAPPED, (root, request))
    line = (root / "runtime/.history.pending").read_bytes()
    with (root / "runtime/history.jsonl").open("ab") as file:
        file.write(line[:part])
    assert verify_history(root) is None
    assert history(root)[1].encode() == line
    assert HistoryEntry.model_validate_json(line).event.to_sha256 == new


def test_what_is_not_the_beginning_of_the_line_is_never_repaired(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    promoted(root, epsilon(0.05))
    request, _ = ready(root, requested(root, epsilon(0.02)))
    kill_at(Stage.SWAPPED, (root, request))
    path = root / "runtime/history.jsonl"
    whole = path.read_bytes()
    for torn in (whole + b'{"evil', whole[:-20], b"", whole + whole):
        path.write_bytes(torn)
        assert "does not end where an interrupted change began" in str(verify_history(root))
        with pytest.raises(PromotionError, match="does not end"):
            apply_kept(root, request)
        assert path.read_bytes() == torn
    path.write_bytes(whole)
    assert verify_history(root) is None


def test_an_unfinished_line_without_an_interrupted_change_is_never_repaired(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    promoted(root, epsilon(0.02))
    path = root / "runtime/history.jsonl"
    path.write_bytes(path.read_bytes() + b'{"event')
    assert str(verify_history(root)) == "line 2: the line is unfinished"
    with pytest.raises(PromotionError, match="line 2: the line is unfinished"):
        rolled_back(root, tiers_digest(live_tiers_path(root)))


def test_a_file_edited_after_the_kill_is_left_to_people(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    request, new = ready(root, requested(root, epsilon(0.02)))
    kill_at(Stage.KEPT, (root, request))
    live = live_tiers_path(root)
    live.write_text("balanced: {}\n")
    for _ in range(2):
        with pytest.raises(PromotionError, match="the tiers file is neither version") as caught:
            apply_kept(root, request)
    assert live.read_text() == "balanced: {}\n"
    assert caught.value.fix is not None
    live.write_bytes((root / "runtime/history" / f"{new}.yaml").read_bytes())
    assert verify_history(root) is None
    assert len(history(root)) == 1


def test_an_edit_after_a_kill_before_anything_was_kept_is_only_an_edit(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    promoted(root, epsilon(0.05))
    request, _ = ready(root, requested(root, epsilon(0.02)))
    kill_at(Stage.PENDING, (root, request))
    live = live_tiers_path(root)
    live.write_text(live.read_text() + "# mine\n")
    assert "was edited since" in str(verify_history(root))
    record_hand_edit(by="dan", reason="mine", at=NOON, root=root)
    assert verify_history(root) is None


def test_what_a_kill_left_in_the_folder_of_a_request_goes_with_the_next_turn(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    folder = root / "runtime/promotions" / requested(root, epsilon(0.02)).id
    for name in (".checked-001.json.tmp", "..checked-001.json.tmp.7.ab.tmp"):
        (folder / name).write_text("{")
    assert verify_history(root) is None
    assert [path.name for path in folder.iterdir()] == ["request.json"]


def test_a_damaged_announcement_is_refused(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    request, _ = ready(root, requested(root, epsilon(0.02)))
    kill_at(Stage.PENDING, (root, request))
    pending = root / "runtime/.history.pending"
    pending.write_bytes(pending.read_bytes().replace(b'"ann"', b'"eve"'))
    assert "what it was to write is damaged" in str(verify_history(root))
    with pytest.raises(PromotionError, match="damaged"):
        apply(root, request)
    assert sha256_hex(live_tiers_path(root).read_bytes()) == request.base_sha256
