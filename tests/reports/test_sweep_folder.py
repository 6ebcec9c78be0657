"""Results are published whole or not at all, and never over somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from invarlock.digests import sha256_file
from invarlock.errors import ConfigError
from invarlock.reports.sweep_folder import Manifest, SweepFolder, claim, read_manifest


def manifest(folder: SweepFolder, run_key: str) -> Manifest:
    return Manifest(
        kind="test",
        run_key=run_key,
        files=folder.hashes(),
        config_sha256="c",
        tiers_sha256="t",
        models={},
        datasets=(),
        schedules={},
        code={},
        packages={},
        volatile_fields=(),
    )


def publish(out: Path, run_key: str, text: str, *, fresh: bool = False) -> None:
    with claim(out, run_key, fresh=fresh) as folder:
        folder.write_text("runs/a.txt", text)
        folder.publish(manifest(folder, run_key))


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_publishing_leaves_the_files_and_nothing_beside_them(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    publish(out, "k1", "one")
    assert sorted(tree(out)) == ["manifest.json", "runs/a.txt"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    kept = read_manifest(out)
    assert kept is not None
    assert kept.files == {"runs/a.txt": sha256_file(out / "runs" / "a.txt")}


def test_the_same_sweep_replaces_its_own_results(tmp_path: Path) -> None:
    publish(tmp_path / "out", "k1", "one")
    publish(tmp_path / "out", "k1", "two")
    assert (tmp_path / "out/runs/a.txt").read_text() == "two"


def test_another_sweep_is_refused_without_fresh(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "k1", "one")
    before = tree(out)
    with pytest.raises(ConfigError, match="another sweep"):
        publish(out, "k2", "two")
    assert tree(out) == before
    publish(out, "k2", "two", fresh=True)
    assert (out / "runs/a.txt").read_text() == "two"


@pytest.mark.parametrize("fresh", [False, True])
def test_files_that_no_sweep_wrote_are_never_touched(tmp_path: Path, fresh: bool) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="no sweep wrote"):
        publish(out, "k1", "one", fresh=fresh)
    assert tree(out) == {"thesis.txt": b"years of work"}


def test_an_unwritable_place_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match="cannot be written"),
        claim(tmp_path / "file" / "out", "k", fresh=False),
    ):
        pass


def test_a_failed_sweep_leaves_the_old_results(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "k1", "one")
    with pytest.raises(ZeroDivisionError), claim(out, "k1", fresh=False) as folder:
        folder.write_text("runs/a.txt", f"half {1 / 0}")
    assert (out / "runs/a.txt").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


HOLDER = """
import sys, time
from pathlib import Path
from invarlock.reports.sweep_folder import claim
with claim(Path(sys.argv[1]), "k1", fresh=False) as folder:
    folder.write_text("runs/a.txt", "half")
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_processes_never_write_to_one_folder_and_a_killed_one_is_cleaned_up(tmp_path: Path) -> None:
    out = tmp_path / "place" / "out"
    other_home = {**os.environ, "INVARLOCK_HOME": str(tmp_path / "other_home")}
    command = [sys.executable, "-c", HOLDER, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=other_home) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match="writing here now"):
            publish(out, "k1", "mine")
        holder.kill()
    assert not out.exists()
    publish(out, "k1", "mine")
    assert sorted(tree(out)) == ["manifest.json", "runs/a.txt"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_folder_is_held_until_its_sweep_ends_not_only_until_it_publishes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with claim(out, "k1", fresh=False) as folder:
        folder.write_text("runs/a.txt", "first")
        folder.publish(manifest(folder, "k1"))
        with pytest.raises(ConfigError, match="writing here now"), claim(out, "k1", fresh=False):
            pass
    assert (out / "runs/a.txt").read_text() == "first"
    publish(out, "k1", "second")
    assert (out / "runs/a.txt").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_claims_that_come_and_go_at_once_never_overlap(tmp_path: Path) -> None:
    witness = tmp_path / "witness"

    def attempt(text: str) -> str:
        try:
            with claim(tmp_path / "out", "k1", fresh=False) as folder:
                witness.touch(exist_ok=False)
                folder.write_text("runs/a.txt", text)
                witness.unlink()
                folder.publish(manifest(folder, "k1"))
                return "published"
        except ConfigError as error:
            return error.what

    def sweep(text: str) -> str:
        while (end := attempt(text)) == "another sweep is writing here now":
            time.sleep(0.001)
        return end

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(sweep, map(str, range(100)))) == {"published"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


# Copies of one old result; in the n-th a child publishes a new one, and is killed before its n-th file call.
KILLER = """
import os, shutil, signal, sys
from pathlib import Path
from invarlock.reports.sweep_folder import claim, read_manifest

root, old, new = map(Path, sys.argv[1:])
calls = 0

def publish(out):
    with claim(out, "k1", fresh=False) as folder:
        for path in sorted(new.rglob("*.txt")):
            folder.write_text(path.relative_to(new).as_posix(), path.read_text())
        folder.publish(read_manifest(new))

def kill_at(last):
    def count(event, arguments):
        global calls
        if event == "open" or event.startswith(("os.", "shutil.", "fcntl.")):
            calls += 1
            if calls == last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)

for last in range(1, 1000):
    out = root / f"{last:03}" / "out"
    shutil.copytree(old, out)
    child = os.fork()
    if child == 0:
        kill_at(last)
        publish(out)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


def results(out: Path, text: str) -> dict[str, bytes]:
    with claim(out, "k1", fresh=False) as folder:
        for name in ("runs/a.txt", "runs/b.txt", "c.txt"):
            folder.write_text(name, text)
        folder.publish(manifest(folder, "k1"))
    return tree(out)


def test_a_kill_at_any_file_call_leaves_a_whole_result_and_a_usable_folder(tmp_path: Path) -> None:
    whole = [results(tmp_path / name, name) for name in ("old", "new")]
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", KILLER, *map(str, (killed, tmp_path / "old", tmp_path / "new"))]
    subprocess.run(command, check=True)
    left = set()
    for place in sorted(killed.iterdir()):
        left.add(tuple(sorted(path.name for path in place.iterdir())))
        out, previous = place / "out", place / ".out.previous"
        assert tree(out if out.exists() else previous) in whole, place.name
        assert not previous.exists() or tree(previous) in whole, place.name
        with pytest.raises(RuntimeError), claim(out, "k1", fresh=False):
            raise RuntimeError
        assert tree(out) in whole, place.name
        publish(out, "k1", "next")
        assert (out / "runs/a.txt").read_text() == "next"
        assert [path.name for path in place.iterdir()] == ["out"], place.name
    assert left >= {  # the kills did fall into every phase
        (".out.lock", ".out.partial", "out"),  # filling, or deleting the old result
        (".out.lock", ".out.partial", ".out.previous"),  # between the renames
        (".out.lock", ".out.previous", "out"),  # after them
        ("out",),
    }


def test_a_half_deleted_replaced_result_does_not_stop_the_next_sweep(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "k1", "one")
    (tmp_path / ".out.previous" / "runs").mkdir(parents=True)
    publish(out, "k1", "two")
    assert (out / "runs/a.txt").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_crash_between_the_two_renames_is_finished_by_the_next_sweep(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "k1", "one")
    out.rename(tmp_path / ".out.previous")
    with pytest.raises(RuntimeError), claim(out, "k1", fresh=False):
        raise RuntimeError
    assert (out / "runs/a.txt").read_text() == "one"


def test_an_empty_folder_made_after_that_crash_does_not_cost_the_old_result(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "k1", "one")
    out.rename(tmp_path / ".out.previous")
    out.mkdir()
    with pytest.raises(ConfigError, match="another sweep"):
        publish(out, "k2", "two")
    assert (out / "runs/a.txt").read_text() == "one"
