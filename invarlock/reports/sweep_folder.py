"""A sweep's results folder: filled under a temporary name, described by a manifest, published by one rename."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from invarlock.digests import sha256_file
from invarlock.errors import ConfigError
from invarlock.files import sync_folder, write_atomic, write_json
from invarlock.record import Record

MANIFEST = "manifest.json"


class Manifest(Record):
    """What a results folder holds and what it came from; every digest is hex SHA-256.

    files: path to hash of all files beside the manifest; volatile_fields: what may differ between two
    runs of one sweep, as ``file: key``.
    """

    kind: str
    run_key: str
    files: dict[str, str]
    config_sha256: str
    tiers_sha256: str
    models: dict[str, str]
    datasets: tuple[str, ...]
    schedules: dict[str, str]
    code: dict[str, str | None]
    packages: dict[str, str]
    volatile_fields: tuple[str, ...]


class SweepFolder:
    """The staging folder of one sweep. Open it with :func:`claim`."""

    def __init__(self, out: Path, staging: Path) -> None:
        self.out = out
        self.staging = staging

    def write_json(self, relative: str, value: object) -> Path:
        """Write strict JSON below the results."""
        write_json(self.staging / relative, value)
        return self.staging / relative

    def write_text(self, relative: str, text: str) -> Path:
        """Write UTF-8 text below the results."""
        write_atomic(self.staging / relative, text.encode())
        return self.staging / relative

    def hashes(self) -> dict[str, str]:
        """Path and hex SHA-256 of everything staged so far, the manifest left out."""
        files = sorted(path for path in self.staging.rglob("*") if path.is_file() and path.name != MANIFEST)
        return {path.relative_to(self.staging).as_posix(): sha256_file(path) for path in files}

    def publish(self, manifest: Manifest) -> None:
        """Put the staged files under the final name, whole or not at all."""
        write_json(self.staging / MANIFEST, manifest.model_dump(mode="json"))
        previous = _previous(self.out)
        if self.out.exists():
            self.out.replace(previous)
        self.staging.replace(self.out)
        sync_folder(self.out.parent)
        shutil.rmtree(previous, ignore_errors=True)


@contextmanager
def claim(out: Path, run_key: str, *, fresh: bool) -> Iterator[SweepFolder]:
    """Hold ``out`` for one sweep and give its staging folder.

    ConfigError when it cannot be written, holds another sweep's results (without ``fresh``), holds files that no
    sweep wrote, or is held by another process. Nothing under ``out`` changes before :meth:`SweepFolder.publish`.
    """
    out = out.resolve()
    staging = out.with_name(f".{out.name}.partial")
    held = _hold(staging, out)
    try:
        _recover(out)
        _refuse_foreign(out, run_key, fresh=fresh)
        _empty(staging)  # what a killed sweep left
        yield SweepFolder(out, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(held)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a results folder, or None when it has none that can be read."""
    try:
        return Manifest.model_validate(json.loads((folder / MANIFEST).read_bytes()))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, ValidationError):
        return None


def _previous(out: Path) -> Path:
    return out.with_name(f".{out.name}.previous")


def _hold(staging: Path, out: Path) -> int:
    """Lock the staging folder itself: the kernel lets go when the holder dies, and nothing is left behind."""
    try:
        staging.mkdir(parents=True, exist_ok=True)
        held = os.open(staging, os.O_RDONLY)
    except OSError as error:
        raise ConfigError(
            f"--out cannot be written: {error.strerror}",
            where=out,
            fix="choose a folder that you can write to",
        ) from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(held)
        raise ConfigError(
            "another sweep is writing here now", where=out, fix="wait for it, or choose another --out"
        ) from error
    return held


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _recover(out: Path) -> None:
    """Finish what a crash between the two renames of a publication left."""
    previous = _previous(out)
    if previous.exists() and not out.exists():
        previous.replace(out)


def _refuse_foreign(out: Path, run_key: str, *, fresh: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    manifest = read_manifest(out)
    if manifest is None:
        raise ConfigError(
            "--out holds files that no sweep wrote",
            where=out,
            fix="choose an empty folder, or move them away",
        )
    if manifest.run_key != run_key and not fresh:
        raise ConfigError(
            f"--out holds the results of another sweep ({manifest.kind} {manifest.run_key[:12]}; this one is "
            f"{run_key[:12]}: config, model, data, policy, options or code differ)",
            where=out,
            fix="choose another --out, or replace them with --fresh",
        )
