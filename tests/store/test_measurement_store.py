"""The store: what is kept comes back, damage is found, processes and kills do no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import ClassVar

import pytest
from pydantic import model_validator

from invarlock.measure.records import WindowLoss
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore

LOSS = WindowLoss(window_id="0123456789abcdef", nll=123.45678901234567, tokens=127)


def key(name: str = "w", version: int = 1) -> MeasurementKey:
    return MeasurementKey(kind="window_loss", version=version, inputs={"window": name, "dtype": "float32"})


def only_entry(root: Path) -> Path:
    (path,) = [path for path in (root / "window_loss").rglob("*") if path.is_file()]
    return path


def test_what_was_put_comes_back_bit_for_bit(tmp_path: Path) -> None:
    MeasurementStore(tmp_path).put(key(), LOSS)
    again = MeasurementStore(tmp_path)
    assert again.get(key(), WindowLoss) == LOSS
    assert again.counts().found == {"window_loss": 1}


@pytest.mark.parametrize("other", [key("v"), key(version=2)])
def test_another_question_has_no_answer(tmp_path: Path, other: MeasurementKey) -> None:
    store = MeasurementStore(tmp_path)
    store.put(key(), LOSS)
    assert store.get(other, WindowLoss) is None


def test_key_order_does_not_matter() -> None:
    one = MeasurementKey(kind="k", version=1, inputs={"a": 1, "b": 2})
    two = MeasurementKey(kind="k", version=1, inputs={"b": 2, "a": 1})
    assert one.digest == two.digest


@pytest.mark.parametrize("position", [0, 30, 64, 80, -2])
def test_a_flipped_bit_is_found_set_aside_and_reported(tmp_path: Path, position: int) -> None:
    store = MeasurementStore(tmp_path)
    store.put(key(), LOSS)
    path = only_entry(tmp_path)
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)

    assert store.get(key(), WindowLoss) is None
    assert not path.exists()
    (aside,) = store.counts().quarantined
    assert Path(aside).read_bytes() == data
    store.put(key(), LOSS)
    assert store.get(key(), WindowLoss) == LOSS


def test_damage_that_comes_back_is_kept_each_time(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path)
    for content in (b"one", b"two"):
        store.put(key(), LOSS)
        only_entry(tmp_path).write_bytes(content)
        assert store.get(key(), WindowLoss) is None
    assert [Path(aside).read_bytes() for aside in store.counts().quarantined] == [b"one", b"two"]


class Watched(WindowLoss):
    """Runs the next of ``reading`` whenever a reader has read an entry and is about to judge it."""

    reading: ClassVar[list[Callable[[], object]]] = []

    @model_validator(mode="before")
    @classmethod
    def _meanwhile(cls, value: object) -> object:
        if cls.reading:
            cls.reading.pop()()
        return value


def put_another_kind(root: Path) -> None:
    """An entry with a good checksum whose value is of no use."""
    MeasurementStore(root).put(key(), key())


def test_two_readers_of_one_damaged_entry_both_report_it(tmp_path: Path) -> None:
    put_another_kind(tmp_path)
    stores = [MeasurementStore(tmp_path), MeasurementStore(tmp_path)]
    both_have_read = Barrier(2, timeout=10)
    Watched.reading[:] = [both_have_read.wait] * 2
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda store: store.get(key(), Watched), stores)) == [None, None]
    assert [len(store.counts().quarantined) for store in stores] == [1, 1]
    assert len(list((tmp_path / "quarantine").iterdir())) == 1


def test_an_entry_mended_while_it_was_read_is_not_carried_away(tmp_path: Path) -> None:
    put_another_kind(tmp_path)
    store = MeasurementStore(tmp_path)
    Watched.reading[:] = [lambda: MeasurementStore(tmp_path).put(key(), LOSS)]
    found = store.get(key(), Watched)
    assert found is not None
    assert found.model_dump() == LOSS.model_dump()
    assert store.get(key(), WindowLoss) == LOSS
    assert store.counts().quarantined == (str(only_entry(tmp_path)),)


def test_damage_is_seen_without_being_asked_for(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path)
    store.put(key("a"), LOSS)
    assert store.damaged() == []
    path = only_entry(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    assert store.damaged() == [path]


def test_a_truncated_entry_is_never_used(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path)
    store.put(key(), LOSS)
    whole = only_entry(tmp_path).read_bytes()
    for length in range(0, len(whole) - 1, 7):
        path = tmp_path / "window_loss" / key().digest[:2] / key().digest
        path.write_bytes(whole[:length])
        assert store.get(key(), WindowLoss) is None


def test_an_entry_moved_under_another_key_is_refused(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path)
    store.put(key("a"), LOSS)
    target = tmp_path / "window_loss" / key("b").digest[:2] / key("b").digest
    target.parent.mkdir(parents=True, exist_ok=True)
    only_entry(tmp_path).replace(target)
    assert store.get(key("b"), WindowLoss) is None


def test_many_threads_write_and_read_the_same_keys(tmp_path: Path) -> None:
    store = MeasurementStore(tmp_path)

    def put_and_get(index: int) -> WindowLoss | None:
        store.put(key(str(index % 5)), LOSS)
        return store.get(key(str(index % 5)), WindowLoss)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(put_and_get, range(200))) == {LOSS}
    assert store.counts().quarantined == ()


WRITER = """
import sys
from pathlib import Path
from invarlock.measure.records import WindowLoss
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore
store = MeasurementStore(Path(sys.argv[1]))
print("ready", flush=True)
n = 0
while True:
    n += 1
    k = MeasurementKey(kind="window_loss", version=1, inputs={"window": n % 50})
    store.put(k, WindowLoss(window_id="w", nll=float(n % 50), tokens=1))
"""


def test_killed_writers_leave_no_half_entry(tmp_path: Path) -> None:
    for round_number in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.05 + 0.013 * round_number)
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
    store = MeasurementStore(tmp_path)
    found = 0
    for n in range(50):
        kept = store.get(MeasurementKey(kind="window_loss", version=1, inputs={"window": n}), WindowLoss)
        assert kept is None or kept.nll == n
        found += kept is not None
    assert found > 0
    assert store.counts().quarantined == ()


HOLDER = """
import sys, time
from pathlib import Path
from invarlock.store.measurement_store import MeasurementStore
with MeasurementStore(Path(sys.argv[1])).exclusive("tensor"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_free_again(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with MeasurementStore(tmp_path).exclusive("tensor"):
        pass  # would wait for ever on a lock file that outlives its holder
