"""Results are published whole or not at all, and never over somebody else's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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
    out = tmp_path / "out"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(out)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(ConfigError, match="writing here now"):
        publish(out, "k1", "mine")
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert not out.exists()
    publish(out, "k1", "mine")
    assert sorted(tree(out)) == ["manifest.json", "runs/a.txt"]


def test_a_crash_between_the_two_renames_is_finished_by_the_next_sweep(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, "k1", "one")
    out.rename(tmp_path / ".out.previous")
    with pytest.raises(RuntimeError), claim(out, "k1", fresh=False):
        raise RuntimeError
    assert (out / "runs/a.txt").read_text() == "one"
