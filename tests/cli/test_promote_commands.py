"""``invarlock promote`` and ``policy history`` on a real calibration, a real MLflow store and a real Prefect server."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from invarlock.digests import sha256_hex
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.reports.null_sweep_result import NullSweepResult
from tasks.local_services import tracking_uri
from tasks.tracking import Tracker
from tests.cli.run_cli import Ran, run_cli
from tests.flows import evaluations

Run = Callable[..., Ran]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], promotion_root: Path) -> Run:
    return lambda *arguments: run_cli(capfd, *arguments)


@pytest.fixture
def ask(run: Run, calibrated: NullSweepResult) -> Callable[..., Ran]:
    """``promote request`` by ann."""
    return lambda *options: run(
        "promote", "request", calibrated.patch, "--reason", "trained anew", "--requester", "ann", *options
    )


def request_id(ran: Ran) -> str:
    assert ran.code == 0, ran.err
    return str(json.loads(ran.out)["request_id"])


def approve(run: Run, name: str, *options: object) -> Ran:
    return run("promote", "approve", name, "--reason", "read it", "--as", "bea", *options)


def live(root: Path) -> bytes:
    return live_tiers_path(root).read_bytes()


def words(ran: Ran) -> str:
    return " ".join((ran.out + ran.err).split())


def test_a_patch_becomes_policy_and_a_rollback_takes_it_back(
    run: Run, ask: Run, promotion_root: Path, embedded_home: Path, tmp_path: Path, calibrated: NullSweepResult
) -> None:
    old = live(promotion_root)
    asked = json.loads(ask("--json").out)
    name = asked["request_id"]
    assert asked["state"] == "checked"
    assert asked["waiting"] is None  # no such deployment here
    assert all(check["passed"] for check in asked["review"]["checks"])
    assert asked["review"]["run"]["mlflow_run_id"] == calibrated.links.mlflow_run_id
    assert request_id(ask("--json")) == name  # the same words, the same request
    assert live(promotion_root) == old

    refused = run("promote", "apply", name)
    assert (refused.code, "nobody has approved it" in refused.err) == (2, True)
    refused = run("promote", "approve", name, "--reason", "mine", "--as", " Ann")
    assert (refused.code, "four eyes" in refused.err) == (2, True)
    assert "tightening" in run("promote", "show", name).out
    assert f"invarlock promote approve {name}" in words(run("promote", "show", name))
    page = tmp_path / "review.html"
    assert run("promote", "diff", name, "--html", page).code == 0
    assert "<html" in page.read_text()
    assert '<span class="removed">-' in page.read_text()
    markdown = run("promote", "diff", name, "--markdown").out
    assert (markdown.startswith("# Promotion"), "```diff\n--- tiers.yaml" in markdown) == (True, True)

    approved = approve(run, name)
    assert approved.code == 0
    assert f"invarlock promote apply {name}" in approved.out
    applied = json.loads(run("promote", "apply", name, "--json").out)
    again = json.loads(run("promote", "apply", name, "--json").out)
    assert again["entry"] == applied["entry"]  # not twice
    assert again["registered"] == applied["registered"]

    new = live(promotion_root)
    lines = json.loads(run("promote", "diff", name, "--json").out)["lines"]
    changed = [line for line in lines if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert len(changed) == 4  # two values, and no other line: comments and order are kept
    assert applied["entry"]["event"]["to_sha256"] == sha256_hex(new)
    client = MlflowClient(tracking_uri(embedded_home))
    version = client.get_model_version_by_alias("invarlock-policy", "live")
    assert str(version.version) == applied["registered"]["version"]
    assert version.tags["invarlock.tiers_sha256"] == sha256_hex(new)
    assert version.tags["invarlock.history_sha256"] == applied["entry"]["sha256"]
    assert version.tags["invarlock.approved_by"] == "bea"
    tracker = Tracker(embedded_home, "invarlock promotion")
    for path in ("tiers.yaml", "review.md", "review.html", "tiers_patch.yaml", "history_entry.json"):
        tracker.download_verified(version.run_id, f"policy/{path}", tmp_path)
    assert (tmp_path / "tiers.yaml").read_bytes() == new
    assert (tmp_path / "tiers_patch.yaml").read_bytes() == Path(calibrated.patch).read_bytes()

    assert "whole: 1 entry, the last one" in words(run("policy", "verify-history"))

    back = request_id(run("promote", "rollback", "--reason", "too strict", "--requester", "ann", "--json"))
    assert run("promote", "apply", back).code == 2
    assert approve(run, back).code == 0
    assert run("promote", "apply", back).code == 0
    assert live(promotion_root) == old
    version = client.get_model_version_by_alias("invarlock-policy", "live")
    assert version.tags["invarlock.kind"] == "rollback"
    assert version.tags["invarlock.tiers_sha256"] == sha256_hex(old)
    history = run("policy", "history").out
    assert history.index("promotion") < history.index("rollback")
    assert "approved by bea" in history
    verified = run("policy", "verify-history", "--json")
    assert (verified.code, json.loads(verified.out)["entries"]) == (0, 2)
    listed = json.loads(run("promote", "list", "--json").out)
    assert [each["state"] for each in listed] == ["applied", "applied"]


def test_an_interrupted_change_is_told_by_verify_history(run: Run, promotion_root: Path) -> None:
    (promotion_root / "runtime/.history.pending").write_text("{")
    for options in ((), ("--json",)):
        broken = run("policy", "verify-history", *options)
        assert (broken.code, "a change of policy was interrupted" in broken.out) == (1, True)
    assert json.loads(broken.out)["whole"] is False


@pytest.mark.slow
def test_a_damaged_request_is_told_beside_the_others(run: Run, ask: Run, promotion_root: Path) -> None:
    name = request_id(ask("--json"))
    folder = promotion_root / "runtime/promotions" / ("0" * 16)
    folder.mkdir()
    (folder / "request.json").write_text("{")
    listed = run("promote", "list")
    assert (listed.code, name in listed.out, "cannot be believed" in words(listed)) == (1, True, True)
    states = {each["state"]: each for each in json.loads(run("promote", "list", "--json").out)}
    assert sorted(states) == ["checked", "damaged"]
    assert states["damaged"]["where"] == str(folder / "request.json")


@pytest.mark.slow
def test_a_rejected_request_is_asked_for_in_other_words(run: Run, ask: Run, promotion_root: Path) -> None:
    name = request_id(ask("--json"))
    assert run("promote", "reject", name, "--reason", "five runs are too few", "--as", "bea").code == 0
    for again in (ask(), approve(run, name), run("promote", "apply", name)):
        assert (again.code, "is rejected" in again.err) == (2, True)
    assert "five runs are too few" in run("promote", "show", name).out
    other = ask("--json", "--allow-large", "a demo model")
    assert request_id(other) != name
    assert "asks for the same values" not in other.err  # what was rejected does not wait
    third = ask("--json", "--allow-large", "for the demo")
    assert f"request {request_id(other)} by ann is open and asks for the same values" in third.err


@pytest.mark.slow
def test_checks_that_fail_are_told_with_what_to_do(run: Run, ask: Run, promotion_root: Path) -> None:
    rules = promotion_root / "runtime/promotion.yaml"
    rules.write_text("promotion: {limits: {min_runs: 50}}\n")
    refused = ask()
    assert refused.code == 1
    assert "runs: balanced has 5: at least 50" in words(refused)
    [listed] = json.loads(run("promote", "list", "--json").out)
    assert listed["state"] == "refused"
    assert f"request {listed['id']} is refused" in words(refused)
    assert f"runtime/promotions/{listed['id']}" in words(refused)
    shown = words(run("promote", "show", listed["id"]))
    assert "FAILS runs: balanced has 5: at least 50" in shown
    assert "refused by" in shown
    assert "checks it again" in shown
    assert approve(run, listed["id"]).code == 2  # never before its checks
    rules.unlink()
    assert json.loads(ask("--json").out)["state"] == "checked"


def test_a_patch_that_was_edited_is_refused(
    run: Run, calibrated: NullSweepResult, promotion_root: Path, tmp_path: Path
) -> None:
    edited = tmp_path / "tiers_patch_spectral_null.yaml"
    edited.write_text(Path(calibrated.patch).read_text().replace("ffn: ", "ffn: 1"))
    refused = run("promote", "request", edited, "--reason", "r")
    assert (refused.code, "the patch was edited after the run" in refused.err) == (1, True)
    assert not (promotion_root / "runtime/promotions").exists()
    missing = run("promote", "request", tmp_path / "none.yaml", "--reason", "r")
    assert (missing.code, "No such file" in missing.err) == (2, True)


@pytest.mark.slow
def test_a_stale_request_is_refused_and_an_edit_by_hand_is_recorded(
    run: Run, ask: Run, promotion_root: Path
) -> None:
    name = request_id(ask("--json"))
    approve(run, name)
    assert run("policy", "record-edit", "--reason", "none yet").code == 2
    tiers = live_tiers_path(promotion_root)
    tiers.write_text(tiers.read_text().replace("min_windows: 50", "min_windows: 51"))
    refused = run("promote", "apply", name)
    assert (refused.code, "is stale" in refused.err) == (2, True)
    assert json.loads(run("promote", "list", "--json").out)[0]["state"] == "stale"
    assert "the patch is stale" in ask().err

    tiers.write_text(tiers.read_text().replace("min_windows: 51", "min_windows: 50"))
    assert run("promote", "apply", name).code == 0  # nothing was promoted in between
    tiers.write_text(tiers.read_text().replace("min_windows: 50", "min_windows: 51"))
    assert run("policy", "verify-history").code == 1
    recorded = run("policy", "record-edit", "--reason", "a stricter tail", "--as", "ann")
    assert (recorded.code, "pm_tail.min_windows" in recorded.out) == (0, True)
    assert run("policy", "verify-history").code == 0


@pytest.mark.slow
def test_approvals_expire_and_may_have_to_be_signed(
    run: Run, ask: Run, promotion_root: Path, tmp_path: Path
) -> None:
    name = request_id(ask("--json"))
    rules = promotion_root / "runtime/promotion.yaml"
    rules.write_text("promotion: {expires_days: 1.0e-6}\n")
    assert approve(run, name).code == 0
    time.sleep(0.1)  # the approval was good for 86 ms
    refused = run("promote", "apply", name)
    assert (refused.code, "expired at" in refused.err) == (2, True)
    assert json.loads(run("promote", "list", "--json").out)[0]["state"] == "checked"
    assert "does not count: the approval of bea expired at" in words(run("promote", "show", name))

    rules.write_text("promotion: {signatures: {required: true, allowed_signers: allowed_signers}}\n")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (promotion_root / "runtime/allowed_signers").write_text(f"bea {key.with_suffix('.pub').read_text()}")
    assert "is not signed" in approve(run, name).err
    forged = run("promote", "approve", name, "--reason", "r", "--as", "eve", "--sign", key)
    assert (forged.code, "signature of eve is bad" in forged.err) == (2, True)
    assert approve(run, name, "--sign", key).code == 0
    assert run("promote", "apply", name).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("what", ["altered", "gone"])
def test_a_run_whose_files_were_touched_proves_nothing(
    what: str, ask: Run, calibrated: NullSweepResult, embedded_home: Path
) -> None:
    place = embedded_home / "mlflow/artifacts" / calibrated.links.mlflow_run_id / "artifacts"
    report = place / "null_sweep_report.json"
    whole = report.read_bytes()
    try:
        if what == "gone":
            report.unlink()
        else:
            report.write_bytes(whole.replace(b"0", b"1", 1))
        refused = ask()
    finally:
        report.write_bytes(whole)
    assert refused.code == 1
    assert calibrated.links.mlflow_run_id in refused.err
    assert "null_sweep_report.json" in refused.err
    assert ("is missing" if what == "gone" else "was altered") in refused.err
    assert ask().code == 0


@pytest.mark.slow
def test_known_evaluations_are_judged_again(run: Run, ask: Run, promotion_root: Path, tmp_path: Path) -> None:
    from flows.evaluate import run_evaluation

    judged = Path(run_evaluation(evaluations.request(tmp_path)).report_out)
    faults = promotion_root / "runtime/known_faults"
    faults.mkdir()
    shutil.copytree(judged, faults / "self")
    found = json.loads(ask("--json").out)["review"]["back_test"]["evaluations"]
    known = [each for each in found if each["planted_fault"]]
    assert len(known) == 1  # found in MLflow and here, it counts once, as a fault
    evidence = faults / "self/evidence.json"
    evidence.write_bytes(evidence.read_bytes().replace(b"0", b"1", 1))
    refused = ask("--allow-large", "in other words")
    assert (refused.code, "not what its manifest says" in refused.err) == (1, True)


@pytest.mark.slow
def test_a_broken_history_stops_everything(run: Run, ask: Run, promotion_root: Path) -> None:
    name = request_id(ask("--json"))
    approve(run, name)
    run("promote", "apply", name)
    history = promotion_root / "runtime/history.jsonl"
    history.write_text(history.read_text().replace("trained anew", "trained never"))
    broken = run("policy", "verify-history")
    assert (broken.code, "line 1: the line is damaged" in broken.out) == (1, True)
    assert run("promote", "rollback", "--reason", "r").code == 2
    history.unlink()
    listed = run("promote", "list")
    assert (listed.code, "the history is broken" in words(listed)) == (1, True)
    assert json.loads(run("promote", "list", "--json").out)[-1]["state"] == "broken history"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("promote", "show", "0" * 16), "there is no request"),
        (("promote", "apply", "../.."), "not the id of a request"),
        (("promote", "rollback", "--reason", "r"), "the history is empty"),
        (("promote", "approve", "0" * 16, "--reason", "r"), "there is no request"),
    ],
)
def test_what_cannot_be_found_is_told(run: Run, arguments: tuple[str, ...], told: str) -> None:
    refused = run(*arguments)
    assert (refused.code, told in refused.err) == (2, True)


def test_nothing_yet(run: Run) -> None:
    assert "There are no requests" in run("promote", "list").out
    assert "Nothing was promoted yet" in run("policy", "history").out
    assert run("policy", "verify-history").code == 0
