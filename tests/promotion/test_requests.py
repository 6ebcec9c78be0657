"""What may be asked for, and that a kept request is the one that was made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from invarlock.digests import sha256_hex
from invarlock.errors import InvarlockError, PolicyError, PromotionError
from invarlock.policy.tiers_file import live_tiers_path, tiers_digest
from invarlock.promotion.approval_record import Approval
from invarlock.promotion.candidate import PATCH
from invarlock.promotion.patch_header import read_header
from invarlock.promotion.request_promotion import request_promotion, requestable
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import PromotionRequest, State, Step, StepRecord
from invarlock.promotion.steps import record_step
from invarlock.promotion.sweep_patch import MOST_BYTES, parse_sweep_patch
from tests.promotion.config_root import (
    NOON,
    apply,
    approved,
    epsilon,
    header,
    report,
    requested,
    shipped_root,
    small_root,
    sweep_patch,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return small_root(tmp_path / "configs")


def ask(root: Path, patch: bytes, **words: str) -> PromotionRequest:
    told = {"mlflow_run_id": "run-1", "requester": "ann", "reason": "recalibrated"} | words
    read = parse_sweep_patch(patch, PATCH)
    return request_promotion(read, created_at=NOON, root=root, **told)  # type: ignore[arg-type]


def step(request: PromotionRequest) -> StepRecord:
    return StepRecord(binding=request.binding, by="bea", at=NOON, reason="seen")


def test_the_header_is_read_as_sweeps_write_it(root: Path) -> None:
    base = tiers_digest(live_tiers_path(root))
    found = read_header(sweep_patch(root, epsilon(0.02)).decode(), PATCH)
    assert found.base_sha256 == base
    assert (found.run_key, found.report_file) == ("a" * 64, "report.json")
    assert found.report_content_sha256 == report(base).content_sha256


def test_a_request_holds_the_patch_where_it_came_from_and_what_it_changes(root: Path) -> None:
    patch = sweep_patch(root, epsilon(0.02))
    request = ask(root, patch, allow_large="the model changed")
    assert request.patch.encode() == patch
    assert request.change_sha256 == sha256_hex(patch)
    assert request.base_sha256 == tiers_digest(live_tiers_path(root))
    assert (request.run.mlflow_run_id, request.run.run_key) == ("run-1", "a" * 64)
    [change] = request.changes
    assert (change.path, change.old, change.new) == (
        "balanced.rmt_guard.epsilon_by_family.ffn", 0.01, 0.02,
    )  # fmt: skip
    assert request.allow_large == "the model changed"
    store = RequestStore(root)
    assert store.request(request.id) == request
    assert store.requests() == ((request,), ())
    assert store.state(request.id) is State.REQUESTED


def test_the_id_is_of_patch_base_run_and_words(root: Path) -> None:
    first = requested(root, epsilon(0.02))
    assert requested(root, epsilon(0.03)).id != first.id
    patch = sweep_patch(root, epsilon(0.02))
    assert ask(root, patch, mlflow_run_id="run-2").id != first.id
    assert ask(root, patch) == first  # asked for again, in the same words
    others = [ask(root, patch, **{name: "more"}).id for name in ("requester", "reason", "allow_large")]
    assert len({first.id, *others}) == 4


def test_what_was_rejected_may_be_asked_for_in_other_words(root: Path) -> None:
    patch = sweep_patch(root, epsilon(0.02))
    first = ask(root, patch)
    record_step(Step.REJECTED, step(first), root=root)
    with pytest.raises(PromotionError, match="in other words"):
        approved(root, ask(root, patch))
    apply(root, ask(root, patch, reason="recalibrated, as the model changed"))


def test_states_follow_the_records(root: Path) -> None:
    store, request = RequestStore(root), requested(root, epsilon(0.02))
    for kind, state in ((Step.CHECKED, State.CHECKED), (Step.APPROVED, State.APPROVED)):
        record_step(kind, step(request), root=root)
        assert store.state(request.id) is state
    record_step(Step.CHECKED, step(request), root=root)  # again, after the approval
    assert store.state(request.id) is State.APPROVED
    assert len(store.records(request.id, Step.CHECKED, StepRecord)) == 2
    names = sorted(path.name for path in (root / "runtime/promotions" / request.id).iterdir())
    assert names == ["approved-001.json", "checked-001.json", "checked-002.json", "request.json"]
    record_step(Step.REJECTED, step(request), root=root)
    assert store.state(request.id) is State.REJECTED
    with pytest.raises(PromotionError, match="rejected"):
        record_step(Step.APPROVED, step(request), root=root)


def test_no_record_is_written_over_another_or_out_of_sight(root: Path) -> None:
    store, request = RequestStore(root), requested(root, epsilon(0.02))
    folder = root / "runtime/promotions" / request.id
    for _ in range(2):
        record_step(Step.CHECKED, step(request), root=root)
    (folder / "checked-001.json").unlink()
    kept = (folder / "checked-002.json").read_bytes()
    record_step(Step.CHECKED, step(request), root=root)
    assert (folder / "checked-002.json").read_bytes() == kept
    (folder / "checked-003.json").rename(folder / "checked-999.json")
    later = step(request).model_copy(update={"reason": "the thousandth"})
    record_step(Step.CHECKED, later, root=root)
    assert (folder / "checked-1000.json").exists()
    assert store.records(request.id, Step.CHECKED, StepRecord)[-1] == later
    (folder / "approved-001.json").symlink_to("nowhere")  # there, though it cannot be read
    with pytest.raises(PromotionError, match=r"a link is refused|none is written twice"):
        record_step(Step.APPROVED, step(request), root=root)
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("final", ["stale", "applied"])
def test_nothing_more_happens_to_a_closed_request(root: Path, final: str) -> None:
    request, other = requested(root, epsilon(0.02)), requested(root, epsilon(0.03))
    apply(root, request)
    if final == "stale":
        request = other
        with pytest.raises(PromotionError, match="stale"):
            apply(root, request)
    with pytest.raises(PromotionError, match=f"is {final}"):
        record_step(Step.REJECTED, step(request), root=root)


def test_a_record_of_another_request_is_refused(root: Path) -> None:
    request, other = requested(root, epsilon(0.02)), requested(root, epsilon(0.03))
    foreign = step(request).model_copy(
        update={"binding": other.binding.model_copy(update={"request_id": request.id})}
    )
    with pytest.raises(PromotionError, match="not about request"):
        record_step(Step.APPROVED, foreign, root=root)
    approved(root, other)
    folder = root / "runtime/promotions"
    shutil.copy(folder / other.id / "approved-001.json", folder / request.id)
    with pytest.raises(PromotionError, match="about another request"):
        RequestStore(root).records(request.id, Step.APPROVED, Approval)


def test_an_altered_request_is_not_believed(root: Path) -> None:
    request = requested(root, epsilon(0.02))
    path = root / "runtime/promotions" / request.id / "request.json"
    data = json.loads(path.read_text())
    other = requested(root, epsilon(0.03))
    for altered in (
        data | {"patch": data["patch"] + "#"},
        data | {"base_sha256": "0" * 64},
        data | {"more": 1},
        json.loads(other.model_dump_json()),
    ):
        path.write_text(json.dumps(altered))
        with pytest.raises(PromotionError, match="cannot be believed"):
            RequestStore(root).request(request.id)
    path.write_text(json.dumps(data | {"patch": data["patch"] + "#"}))
    told = "a kept record cannot be believed: promotion: the patch is not the one that was requested"
    with pytest.raises(PromotionError) as caught:
        RequestStore(root).request(request.id)
    assert caught.value.what == told
    path.write_text('{"half')
    (path.parent.parent / "mine").mkdir()
    (path.parent.parent / "mine/request.json").touch()
    readable, damaged = RequestStore(root).requests()
    assert readable == (other,)
    assert [error.where for error in damaged] == [str(path), str(path.parent.parent)]


BODIES = {
    "no patch": ("[1, 2]\n", "mapping"),
    "empty": ("", "empty"),
    "an unknown key": ("balanced: {rmt_guard: {epsilon: 1}}\n", "epsilon"),
    "an unknown tier": ("lenient: {rmt_guard: {margin: 1}}\n", "lenient"),
    "NaN": ("balanced: {rmt_guard: {epsilon_by_family: {ffn: .nan}}}\n", "finite"),
    "infinity": ("balanced: {rmt_guard: {epsilon_by_family: {ffn: .inf}}}\n", "finite"),
    "out of range": ("balanced: {rmt_guard: {epsilon_by_family: {ffn: -0.1}}}\n", "greater than or equal"),
    "text for a number": ("balanced: {rmt_guard: {epsilon_by_family: {ffn: '0.1'}}}\n", "valid number"),
    "a key twice": (
        "balanced: {rmt_guard: {epsilon_by_family: {ffn: 0.1, ffn: 0.2}}}\n", "twice"
    ),
    "an alias": (
        "balanced: &all {rmt_guard: {epsilon_by_family: {ffn: 0.1}}}\nconservative: *all\n", "aliases are refused"
    ),
    "a bomb": (
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "aliases are refused",
    ),
    "a tag": ("balanced: !!python/object/apply:os.system ['true']\n", "tag"),
    "a merge key": ("balanced: {<<: {rmt_guard: {margin: 1}}}\n", "unknown key"),
    "two documents": ("balanced: {}\n---\nbalanced: {}\n", "not YAML"),
    "too deep": ("balanced: " + "[" * 1500, "nested too deeply"),
    "a fixed key": ("balanced: {rmt_guard: {margin: 1.6}}\n", "no patch may change balanced.rmt_guard.margin"),
    "a key that no sweep recommends": ("balanced: {rmt_guard: {epsilon_default: 0.5}}\n", "no patch may change"),
    "a fixed key among others": (
        "balanced: {rmt_guard: {epsilon_by_family: {ffn: 0.1}}, metrics: {pm_tail: {mode: off}}}\n",
        "no patch may change balanced.metrics.pm_tail.mode",
    ),
    "what is in force": ("balanced: {rmt_guard: {epsilon_by_family: {ffn: 0.01}, margin: 1.5}}\n", "changes nothing"),
    "nothing": ("{}\n", "changes nothing"),
    "a tier that is not there": ("aggressive: {rmt_guard: {epsilon_by_family: {ffn: 0.1}}}\n", "aggressive"),
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
def test_what_is_no_patch_for_the_policy_in_force_is_refused(root: Path, body: str) -> None:
    text, match = BODIES[body]
    with pytest.raises(InvarlockError, match=match) as caught:
        ask(root, (header(root) + text).encode())
    assert isinstance(caught.value, PolicyError | PromotionError)
    assert caught.value.exit_code == 2
    assert not (root / "runtime/promotions").exists()


def test_a_patch_without_origin_or_with_two_is_refused(root: Path) -> None:
    patch = sweep_patch(root, epsilon(0.02)).decode()
    lines = patch.splitlines(keepends=True)
    for name in ("run", "report", "base"):
        [line] = [line for line in lines if line.startswith(f"# {name}: ")]
        for text in (patch.replace(line, ""), patch + line, patch.replace(line, line.replace("#", "  #"))):
            with pytest.raises(PromotionError, match=f"header lines `# {name}: "):
                ask(root, text.encode())


def test_a_patch_for_another_policy_is_stale(root: Path) -> None:
    patch = sweep_patch(root, epsilon(0.02))
    live = live_tiers_path(root)
    live.write_text(live.read_text() + "\n")
    with pytest.raises(PromotionError, match="the patch is stale"):
        ask(root, patch)


def test_sizes_encodings_and_words(root: Path) -> None:
    patch = sweep_patch(root, epsilon(0.02))
    for data, match in ((patch + b"#" * MOST_BYTES, "bytes"), (patch + b"# \xff", "UTF-8")):
        with pytest.raises(PromotionError, match=match):
            ask(root, data)
    for words in (
        {"requester": " "}, {"reason": ""}, {"reason": "a\x1b[2Jb"}, {"reason": "a\rb"}, {"allow_large": ""},
    ):  # fmt: skip
        with pytest.raises(PromotionError, match="missing or holds control characters"):
            ask(root, patch, **words)
    with pytest.raises(PromotionError, match="a requester is more than one line"):
        ask(root, patch, requester="ann\nbea")
    assert ask(root, patch, reason="first\r\nsecond").reason == "first\nsecond"


def test_a_file_is_read_before_the_policy_is_held(root: Path, tmp_path: Path) -> None:
    patch = tmp_path / "tiers_patch.yaml"
    patch.write_text(header(root) + "balanced: {no_such_guard: {}}\n")
    live_tiers_path(root).unlink()  # whoever holds the policy finds out at once
    with pytest.raises(PolicyError, match="unknown key") as caught:
        requestable(patch, root)
    assert str(caught.value.where).startswith(f"{patch}:")
    with pytest.raises(PromotionError, match="the patch cannot be read: No such file"):
        requestable(tmp_path / "none.yaml", root)


def test_a_file_that_could_be_requested_is_given_back_and_nothing_is_kept(root: Path, tmp_path: Path) -> None:
    patch = tmp_path / "tiers_patch.yaml"
    patch.write_bytes(sweep_patch(root, epsilon(0.02)))
    assert requestable(patch, root).sha256 == sha256_hex(patch.read_bytes())
    for values, told in (
        (epsilon(0.01), "changes nothing"),
        ({"balanced": {"rmt_guard": {"margin": 2.0}}}, "no patch may"),
    ):
        patch.write_bytes(sweep_patch(root, values))
        with pytest.raises(PromotionError, match=told):
            requestable(patch, root)
    assert not (root / "runtime/promotions").exists()


@pytest.mark.parametrize(
    "request_id", ["", "..", "../../history", "0" * 15, "g" * 16, "0" * 16 + "\n", "A" * 16]
)
def test_an_id_is_no_path(root: Path, request_id: str) -> None:
    for look in (RequestStore(root).request, RequestStore(root).state):
        with pytest.raises(PromotionError, match="not the id of a request"):
            look(request_id)


@pytest.mark.parametrize(
    "name",
    ["", "tiers.yaml", "history", "history.jsonl", "promotions", ".promotion.lock", ".history.pending"],
)
def test_links_are_refused(root: Path, name: str) -> None:
    patch, outside = sweep_patch(root, epsilon(0.02)), root.parent / "outside"
    path = root / "runtime" / name if name else root / "runtime"
    if path.exists():
        path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(PromotionError, match="a link is refused"):
        apply(root, ask(root, patch))
    assert not outside.exists() or name in ("", "tiers.yaml")


def test_the_folder_and_the_records_of_a_request_are_no_links(root: Path) -> None:
    request = requested(root, epsilon(0.02))
    folder = root / "runtime/promotions" / request.id
    for path in (folder / "request.json", folder):
        outside = root.parent / f"outside-{path.name}"
        path.rename(outside)
        path.symlink_to(outside)
        with pytest.raises(PromotionError, match="a link is refused"):
            RequestStore(root).request(request.id)
        path.unlink()
        outside.rename(path)
    assert RequestStore(root).request(request.id) == request


def test_the_config_root_itself_may_be_reached_by_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    request = requested(tmp_path / "link", epsilon(0.02))
    assert RequestStore(root).request(request.id) == request


def test_a_root_without_policy_is_refused(tmp_path: Path) -> None:
    patch = sweep_patch(shipped_root(tmp_path / "a"), epsilon(0.02))
    with pytest.raises(PromotionError, match="no policy to change"):
        ask(tmp_path / "b", patch)
    assert not (tmp_path / "b").exists()
