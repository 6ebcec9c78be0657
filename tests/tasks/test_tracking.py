"""Runs in a real MLflow database: found again, continued after a kill, sealed, verified, and fast enough."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from invarlock.digests import sha256_hex
from invarlock.errors import StoreError
from tasks.checksums import FILE_NAME
from tasks.local_services import mlflow_home
from tasks.tracking import SEAL, Tracker
from tasks.tracking_records import RunHandle
from tests.tasks.sweep_logging import CALLS, DyingClient, Killed, expected, log_sweep, program, what_is_there


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return Tracker(tmp_path_factory.mktemp("home"), "tracking test")


def test_a_sweep_and_its_repetition(tracker: Tracker, tmp_path: Path) -> None:
    first = log_sweep(tracker, "repeated")
    again = log_sweep(tracker, "repeated", content=b'{"made": "later"}')
    assert again == first
    assert what_is_there(tracker, "repeated", tmp_path) == expected()


@pytest.mark.parametrize("writes", range(1, len(CALLS) + 1))
def test_after_a_death_at_any_write_the_next_one_repairs(
    tracker: Tracker, tmp_path: Path, writes: int
) -> None:
    def die() -> None:
        raise Killed

    key = f"dies after {writes}"
    dying = Tracker(tracker.home, "tracking test")
    dying.client = DyingClient(dying.client, writes, die)
    with pytest.raises(Killed):
        log_sweep(dying, key)
    log_sweep(tracker, key, content=b'{"made": "later"}')
    assert what_is_there(tracker, key, tmp_path) == expected()


def test_a_sweep_writes_in_this_order_and_no_more(tracker: Tracker, tmp_path: Path) -> None:
    log_sweep(tracker, "before")  # the model is known from now on
    counting = Tracker(tracker.home, "tracking test")
    counting.client = client = DyingClient(counting.client, 0, pytest.fail)
    log_sweep(counting, "counted")
    assert tuple(client.calls) == CALLS
    assert what_is_there(tracker, "counted", tmp_path) == expected()


@pytest.mark.slow
def test_two_processes_on_a_fresh_home_and_one_that_is_killed(tmp_path: Path) -> None:
    programs = [program(tmp_path, "twice", writes) for writes in (5, 0)]
    errors = [one.communicate()[1].decode()[-500:] for one in programs]
    codes = [one.returncode for one in programs]
    assert codes[0] in (-signal.SIGKILL, 0), errors[0]  # 0: the other one was ahead and left it nothing
    assert codes[1] == 0, errors[1]
    assert what_is_there(Tracker(tmp_path, "sweeps"), "twice", tmp_path) == expected()


def test_threads_that_log_one_run_make_one(tracker: Tracker) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: tracker.sweep_run("threads", "threads", {"a": "b"}, {}), range(4)))
    assert len({run.run_id for run in runs}) == 1


def test_a_run_is_found_by_its_tags(tracker: Tracker) -> None:
    made = tracker.sweep_run("tagged", "tagged", {}, {"patch_sha256": "ab" * 32})
    tracker.log(made, tags={"schedule_digest": "cd" * 8})
    assert [run.run_id for run in tracker.find_runs("patch_sha256", "ab" * 32)] == [made.run_id]
    assert [run.run_id for run in tracker.find_runs("schedule_digest", "cd" * 8)] == [made.run_id]
    assert list(tracker.find_runs("patch_sha256", "00" * 32)) == []
    with pytest.raises(StoreError, match="cannot be searched"):
        tracker.find_runs("patch_sha256", "x' OR '1'='1")


def test_a_run_is_found_by_its_parameters_whatever_became_of_its_tags(tracker: Tracker) -> None:
    made = tracker.sweep_run("by param", "by param", {"patch_sha256": "ab" * 32}, {"patch_sha256": "ef" * 32})
    other = tracker.sweep_run("by tag", "by tag", {}, {})
    tracker.tag(made.run_id, "patch_sha256", "00" * 32)
    tracker.tag(other.run_id, "patch_sha256", "ab" * 32)
    assert [run.run_id for run in tracker.find_by_param("patch_sha256", "ab" * 32)] == [made.run_id]


def test_a_failed_run_is_continued(tracker: Tracker) -> None:
    failed = tracker.sweep_run("failing", "failing", {}, {})
    tracker.fail(failed)
    again = tracker.sweep_run("failing", "failing", {}, {})
    assert (again.run_id, again.complete) == (failed.run_id, False)
    assert tracker.client.get_run(again.run_id).info.status == "RUNNING"


@pytest.mark.parametrize("gone", ["a/report.json", FILE_NAME])
def test_an_artifact_that_is_gone_is_told_as_that(tracker: Tracker, tmp_path: Path, gone: str) -> None:
    run = tracker.finish(tracker.sweep_run(f"without {gone}", "t", {}, {}), {"a/report.json": b"{}"})
    artifacts = Path(tracker.client.get_run(run.run_id).info.artifact_uri.removeprefix("file://"))
    (artifacts / gone).unlink()
    with pytest.raises(StoreError) as caught:
        tracker.download_verified(run.run_id, "a/report.json", tmp_path)
    assert caught.value.what == "an artifact of the run is missing"
    assert caught.value.where == f"run {run.run_id}: {gone}"


@pytest.mark.parametrize("harmed", ["report.json", FILE_NAME, "both"])
def test_a_tampered_artifact_is_refused(tracker: Tracker, tmp_path: Path, harmed: str) -> None:
    run = tracker.finish(tracker.sweep_run(f"tamper {harmed}", "t", {}, {}), {"report.json": b'{"z": 1}'})
    assert tracker.download_verified(run.run_id, "report.json", tmp_path).read_bytes() == b'{"z": 1}'
    artifacts = Path(tracker.client.get_run(run.run_id).info.artifact_uri.removeprefix("file://"))
    if harmed != FILE_NAME:
        (artifacts / "report.json").write_bytes(b'{"z": 0}')
    if harmed != "report.json":
        forged = subprocess.run(["sha256sum", "report.json"], cwd=artifacts, capture_output=True, check=True)
        (artifacts / FILE_NAME).write_bytes(forged.stdout + b"\n" * (harmed == FILE_NAME))
    with pytest.raises(StoreError, match=r"altered|sealed"):
        tracker.download_verified(run.run_id, "report.json", tmp_path)
    assert tracker.client.get_run(run.run_id).data.params[SEAL]


@pytest.mark.parametrize("form", ["../{name}", "{absolute}", "a/../../{name}", "a//b", "./a", "a\\b"])
def test_a_list_that_leads_out_of_its_folder_is_refused_and_nothing_is_touched(
    tracker: Tracker, tmp_path: Path, form: str
) -> None:
    policy = tmp_path / "tiers.yaml"
    policy.write_text("balanced: {}\n")
    run = tracker.finish(tracker.sweep_run(f"leads {form}", "t", {}, {}), {"report.json": b"{}"})
    path = form.format(name=policy.name, absolute=policy)
    forge_list(tracker, run, f"{'0' * 64}  {path}\n")
    with pytest.raises(StoreError, match="may lead out of its folder"):
        tracker.download_files(run.run_id, tmp_path / "download")
    assert policy.read_text() == "balanced: {}\n"


def forge_list(tracker: Tracker, run: RunHandle, listing: str) -> None:
    """As somebody does who can write to database and artifacts: the seal is that of the new list."""
    artifacts = Path(tracker.client.get_run(run.run_id).info.artifact_uri.removeprefix("file://"))
    (artifacts / FILE_NAME).write_text(listing)
    with closing(sqlite3.connect(mlflow_home(tracker.home) / "mlflow.db")) as database, database:
        told = (sha256_hex(listing.encode()), SEAL, run.run_id)
        database.execute("UPDATE params SET value = ? WHERE key = ? AND run_uuid = ?", told)


def test_what_is_there_stays_when_the_download_is_not_believed(tracker: Tracker, tmp_path: Path) -> None:
    run = tracker.finish(tracker.sweep_run("kept", "t", {}, {}), {"report.json": b"{}", "a/b": b""})
    forge_list(tracker, run, f"{'0' * 64}  report.json\n{'0' * 64}  a\n")
    (tmp_path / "report.json").write_text("mine")
    for path in ("report.json", "a"):  # of another hash, and a folder
        with pytest.raises(StoreError, match="altered"):
            tracker.download_verified(run.run_id, path, tmp_path / "report.json")
    assert (tmp_path / "report.json").read_text() == "mine"


def test_the_checksums_are_those_of_sha256sum(tracker: Tracker, tmp_path: Path) -> None:
    source = tmp_path / "plot.png"
    source.write_bytes(bytes(range(256)))
    run = tracker.finish(tracker.sweep_run("sums", "s", {}, {}), {"plots/z.png": source, "a b.txt": b"x"})
    artifacts = Path(tracker.client.get_run(run.run_id).info.artifact_uri.removeprefix("file://"))
    assert subprocess.run(["sha256sum", "-c", "--strict", FILE_NAME], cwd=artifacts).returncode == 0
    assert (artifacts / "plots" / "z.png").read_bytes() == source.read_bytes()


def test_what_mlflow_would_cut_or_refuse_is_an_error(tracker: Tracker) -> None:
    with pytest.raises(StoreError, match="6001 characters"):
        tracker.sweep_run("long", "long", {"report": "x" * 6001}, {})
    with pytest.raises(StoreError, match="MLflow: "):
        tracker.sweep_run("bad key", "bad", {"a?b": "x"}, {})
    run = tracker.sweep_run("changed", "changed", {"alpha": "0.05"}, {})
    with pytest.raises(StoreError, match="MLflow: Changing param values is not allowed"):
        tracker.log(run, params={"alpha": "0.01"})


def test_an_unfinished_database_is_set_aside(tmp_path: Path) -> None:
    mlflow_home(tmp_path).mkdir()
    database = mlflow_home(tmp_path) / "mlflow.db"
    database.write_bytes(b"")  # what a process killed at the first table leaves
    assert Tracker(tmp_path, "fresh").find_runs("any", "tag") == []
    assert database.with_name("unfinished-mlflow.db").exists()
