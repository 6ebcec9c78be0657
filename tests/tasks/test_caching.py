"""The cache across runs, on a real Prefect server: what hits, what does not, and how damage is repaired."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prefect import flow
from prefect.futures import PrefectFuture
from prefect.states import State
from prefect.task_runners import ThreadPoolTaskRunner

from invarlock.progress import advance, reporting_to
from invarlock.provenance import code_sha256
from invarlock.store.documents import DocumentStore, Reference, read_document
from tasks.caching import cached_task


class Runs:
    """A cached task over its own document store, and how often its body ran."""

    def __init__(self, root: Path) -> None:
        self.count = 0

        @cached_task(name=f"double {root.name}", key=("digest",))
        def double(digest: str, label: str) -> Reference:
            self.count += 1
            return DocumentStore(root).put({"doubled": digest * 2})

        @flow(name="caching test")
        def call(digest: str, label: str) -> tuple[State[Reference], Reference]:
            future: PrefectFuture[Reference] = double.submit(digest, label)
            future.wait()
            return future.state, future.result()

        self.call = call


@pytest.fixture
def runs(embedded_home: Path, tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_a_second_run_with_the_same_key_hits(runs: Runs) -> None:
    first_state, first = runs.call("a", "once")
    second_state, second = runs.call("a", "twice")  # a parameter outside the key
    assert (first_state.name, second_state.name, runs.count) == ("Completed", "Cached", 1)
    assert first == second
    assert read_document(second) == b'{"doubled":"aa"}'


def test_another_key_does_not_hit(runs: Runs) -> None:
    runs.call("a", "x")
    _, other = runs.call("b", "x")
    assert runs.count == 2
    assert read_document(other) == b'{"doubled":"bb"}'


@pytest.mark.parametrize("harm", ["flip", "delete"])
def test_a_harmed_document_is_made_again_and_replaced(runs: Runs, harm: str) -> None:
    _, reference = runs.call("a", "x")
    document = Path(reference.path)
    if harm == "flip":
        data = bytearray(document.read_bytes())
        data[3] ^= 1
        document.write_bytes(bytes(data))
    else:
        document.unlink()
    state, repaired = runs.call("a", "x")
    assert (state.name, runs.count) == ("Completed", 2)
    assert repaired == reference
    assert read_document(repaired) == b'{"doubled":"aa"}'
    assert runs.call("a", "x")[0].name == "Cached"  # the repaired entry is a good one


@pytest.mark.parametrize("keep", [0, 40, 200])
def test_a_torn_cache_entry_is_a_miss(runs: Runs, embedded_home: Path, keep: int) -> None:
    folder = embedded_home / "prefect" / "results"
    before = set(folder.glob("*")) if folder.exists() else set()
    runs.call("a", "x")
    (entry,) = set(folder.glob("*")) - before
    entry.write_bytes(entry.read_bytes()[:keep])
    state, reference = runs.call("a", "x")
    assert (state.name, runs.count) == ("Completed", 2)
    assert read_document(reference) == b'{"doubled":"aa"}'


def test_a_key_names_parameters_of_the_task() -> None:
    with pytest.raises(ValueError, match="has no parameter colour"):

        @cached_task(name="wrong", key=("colour",))
        def wrong(digest: str) -> Reference:
            raise AssertionError


def test_the_code_digest_is_the_same_in_every_process() -> None:
    script = "from invarlock.provenance import code_sha256; print(code_sha256())"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == code_sha256()


def test_progress_is_heard_from_worker_threads(embedded_home: Path) -> None:
    class Heard:
        def __init__(self) -> None:
            self.threads: set[int] = set()

        def announce(self, stage: str, total: int) -> None: ...

        def advance(self, stage: str, units: int) -> None:
            self.threads.add(threading.get_ident())

    @cached_task(name="report progress", key=("digest",))
    def report(digest: str) -> Reference:
        advance("windows")
        return DocumentStore(embedded_home / "documents").put(digest)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
    def call() -> None:
        report.submit("progress").result()

    heard = Heard()
    with reporting_to(heard):
        call()
    assert heard.threads
    assert threading.get_ident() not in heard.threads


def test_an_entry_copied_from_another_key_is_refused(runs: Runs, embedded_home: Path) -> None:
    results = embedded_home / "prefect" / "results"
    before = set(results.iterdir()) if results.exists() else set()
    runs.call("a", "x")
    (entry_a,) = set(results.iterdir()) - before
    runs.call("b", "x")
    (entry_b,) = set(results.iterdir()) - before - {entry_a}
    entry_b.write_bytes(entry_a.read_bytes())
    state, answer = runs.call("b", "x")
    assert (state.name, runs.count) == ("Completed", 3)
    assert read_document(answer) == b'{"doubled":"bb"}'
