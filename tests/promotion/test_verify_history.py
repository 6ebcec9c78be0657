"""Whatever is changed in the history, or in what it rests on, is found, and at the first line that it concerns."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from invarlock.digests import canonical_json, digest_of, sha256_hex
from invarlock.errors import PromotionError
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.promotion.beside_registry import beside_registry
from invarlock.promotion.hand_edit import record_hand_edit
from invarlock.promotion.history import HistoryEntry, entries
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.verify_history import verify_history
from tests.promotion.config_root import NOON, epsilon, promoted, requested, rolled_back, small_root

Json = Any
Lines = list[bytes]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three promotions and a rollback."""
    small_root(tmp_path)
    first = promoted(tmp_path, epsilon(0.02))
    for value in (0.03, 0.04):
        promoted(tmp_path, epsilon(value))
    rolled_back(tmp_path, first.event.to_sha256)
    assert verify_history(tmp_path) is None
    return tmp_path


def lines_of(root: Path) -> Lines:
    return (root / "runtime/history.jsonl").read_bytes().splitlines(keepends=True)


def found(root: Path, lines: Lines) -> str:
    (root / "runtime/history.jsonl").write_bytes(b"".join(lines))
    return str(verify_history(root))


def leaves(data: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield from leaves(value, (*path, key))
    if not isinstance(data, dict | list):
        yield path


def changed(data: Json, path: tuple[str | int, ...]) -> Json:
    """A copy with another value at ``path`` that could stand there."""
    copy = json.loads(json.dumps(data))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    value = holder[path[-1]]
    match value:
        case str() if len(value) in (16, 64) and set(value) <= set("0123456789abcdef"):
            holder[path[-1]] = ("1" if value[0] == "0" else "0") + value[1:]
        case str() if value.startswith("2026"):
            holder[path[-1]] = value.replace("2026", "2027")
        case "balanced":
            holder[path[-1]] = "aggressive"
        case "loosening" | "tightening":
            holder[path[-1]] = "neutral"
        case "calibrated":
            holder[path[-1]] = "policy"
        case "promotion":
            holder[path[-1]] = "rollback"
        case str():
            holder[path[-1]] = value + "x"
        case int() | float():
            holder[path[-1]] = value + 1
    return copy


def sealed(data: Json) -> bytes:
    """The line of ``data`` with the hash that it has to have."""
    content = {key: value for key, value in data.items() if key != "sha256"}
    return canonical_json(content | {"sha256": digest_of(content)}) + b"\n"


def test_every_field_is_protected_even_with_the_entry_s_own_hash_made_anew(root: Path) -> None:
    lines = lines_of(root)
    data = json.loads(lines[1])
    paths = list(leaves(data))
    assert len(paths) > 25
    for path in paths:
        tampered = changed(data, path)
        assert tampered != data, path
        plain = canonical_json(tampered) + b"\n"
        assert found(root, [lines[0], plain, *lines[2:]]).startswith("line 2:"), path
        if path != ("sha256",):
            HistoryEntry.model_validate_json(sealed(tampered))  # it could be an entry
            said = found(root, [lines[0], sealed(tampered), *lines[2:]])
            assert said.startswith(("line 2:", "line 3:")), path
    assert found(root, lines) == "None"


def test_of_the_last_line_too_whatever_files_can_show(root: Path) -> None:
    lines = lines_of(root)
    data = json.loads(lines[-1])
    for path in (("number",), ("previous",), ("event", "from_sha256"), ("event", "to_sha256")):
        assert found(root, [*lines[:-1], sealed(changed(data, path))]).startswith("line 4:"), path
    # A reason, say, can be made anew with the last hash; the record of the applied request still knows the old one.
    said = found(root, [*lines[:-1], sealed(changed(data, ("event", "reason")))])
    name = data["event"]["binding"]["request_id"]
    assert said == f"line 4: request {name}: the record of its apply is gone or was altered"


CUT_OFF = "was applied by an entry that is not here"
CUTS: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "first removed": (lambda lines: lines[1:], "line 1: this is entry 2"),
    "one removed": (lambda lines: [lines[0], *lines[2:]], "line 2: this is entry 3"),
    "two exchanged": (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1: this is entry 2"),
    "one twice": (lambda lines: [lines[0], lines[0], *lines[1:]], "line 2: this is entry 1"),
    "one inserted": (lambda lines: [lines[0], b"{}\n", *lines[1:]], "line 2: the line is damaged"),
    "an empty line": (lambda lines: [*lines, b"\n"], "line 5: the line is damaged"),
    "spaces": (lambda lines: [lines[0].replace(b":", b": ", 1), *lines[1:]], "line 1: the line is damaged"),
    "a key twice": (
        lambda lines: [lines[0].replace(b'{"event"', b'{"number":7,"event"', 1), *lines[1:]],
        "line 1: the line is damaged",
    ),
    "not UTF-8": (lambda lines: [*lines[:2], b"\xff\n"], "line 3: the line is damaged"),
    "no last line end": (lambda lines: [*lines[:3], lines[3][:-1]], "line 4: the line is unfinished"),
    "half a line": (lambda lines: [*lines[:3], lines[3][:99]], "line 4: the line is unfinished"),
    "last removed": (lambda lines: lines[:3], CUT_OFF),
    "all removed": (lambda lines: [], CUT_OFF),
}


@pytest.mark.parametrize("cut", CUTS)
def test_lines_cannot_go_come_or_change_places(root: Path, cut: str) -> None:
    change, expected = CUTS[cut]
    assert expected in found(root, change(lines_of(root)))


def test_lines_cannot_be_cut_off_together_with_the_policy_that_they_made(root: Path) -> None:
    lines = lines_of(root)
    kept = root / "runtime/history" / f"{json.loads(lines[2])['event']['to_sha256']}.yaml"
    live_tiers_path(root).write_bytes(kept.read_bytes())
    assert CUT_OFF in found(root, lines[:3])


def test_a_line_that_changes_another_version_than_the_last_one_made(root: Path) -> None:
    lines = lines_of(root)
    data = json.loads(lines[-1])
    data["event"]["from_sha256"] = data["event"]["to_sha256"]
    assert found(root, [*lines[:-1], sealed(data)]) == (
        "line 4: it changes another version than the line before it made"
    )


def test_kept_versions_are_what_they_are_called(root: Path) -> None:
    second = entries(RequestStore(root).files)[1].event.to_sha256
    path = root / "runtime/history" / f"{second}.yaml"
    data = path.read_bytes()
    path.write_bytes(data + b"# more\n")
    assert str(verify_history(root)) == (f"line 2: the version {second[:12]} in runtime/history was altered")
    path.unlink()
    assert str(verify_history(root)) == (f"line 2: the version {second[:12]} is not kept in runtime/history")
    path.write_bytes(data)
    assert verify_history(root) is None


def test_the_policy_in_force_is_the_one_that_the_last_line_made(root: Path) -> None:
    with live_tiers_path(root).open("a") as live:
        live.write("# by the way\n")
    assert str(verify_history(root)).startswith("line 4: runtime/tiers.yaml was edited since")


def test_applied_requests_are_the_ones_that_were_applied(root: Path) -> None:
    binding = entries(RequestStore(root).files)[1].event.binding
    assert binding is not None
    folder = root / "runtime/promotions" / binding.request_id
    for name, old, told in (
        ("request.json", "recalibrated", "was altered"),
        ("applied-001.json", "recalibrated", "the record of its apply is gone or was altered"),
        ("approved-001.json", "looks right", "the approval of bea is gone or was altered"),
        ("checked-001.json", "the result passes", "the record of its checks is gone or was altered"),
    ):
        text = (folder / name).read_text()
        for altered in (text.replace(old, "whatever"), "{", None):
            (folder / name).unlink() if altered is None else (folder / name).write_text(altered)
            said = str(verify_history(root))
            assert said.startswith(f"line 2: request {binding.request_id}")
            assert altered == "{" or told in said or name == "request.json"
        (folder / name).write_text(text)
    assert verify_history(root) is None


def test_the_last_edit_cannot_be_cut_off_with_the_policy_that_it_made(root: Path) -> None:
    live, lines = live_tiers_path(root), lines_of(root)
    before = live.read_bytes()
    live.write_bytes(before + b"# mine\n")
    made = record_hand_edit(by="dan", reason="a remark", at=NOON, root=root).event.to_sha256
    live.write_bytes(before)
    assert found(root, lines) == f"the version {made[:12]} in runtime/history is of an entry that is not here"


def test_history_and_requests_do_not_go_without_the_versions(root: Path) -> None:
    (root / "runtime/history.jsonl").unlink()
    shutil.rmtree(root / "runtime/promotions")
    assert "in runtime/history is of an entry that is not here" in str(verify_history(root))


def test_the_registry_knows_what_was_removed_or_rewritten_as_a_whole(root: Path) -> None:
    known = entries(RequestStore(root).files)
    registered = {str(number): entry.sha256 for number, entry in enumerate(known[:3], 1)}
    assert beside_registry(known, registered) is None  # the last one is still to be registered
    rewritten = registered | {"2": "0" * 64}
    assert str(beside_registry(known, rewritten)).startswith(
        "version 2 of the registered policy was made by an entry"
    )
    assert "version 1" in str(beside_registry((), registered))
    assert str(beside_registry(known, {})) == "the registry has none of 4 entries"
    assert beside_registry((), {}) is None


def test_nothing_is_applied_on_a_broken_history(root: Path) -> None:
    lines = lines_of(root)
    found(root, [lines[0], *lines[2:]])
    request = requested(root, epsilon(0.07))
    before = sha256_hex(live_tiers_path(root).read_bytes())
    for attempt in (lambda: rolled_back(root, before), lambda: promoted(root, epsilon(0.07))):
        with pytest.raises(PromotionError, match="the history is broken: line 2"):
            attempt()
    assert sha256_hex(live_tiers_path(root).read_bytes()) == before
    assert not RequestStore(root).state(request.id).is_final


def test_no_history_is_no_broken_one(tmp_path: Path) -> None:
    assert verify_history(small_root(tmp_path)) is None
