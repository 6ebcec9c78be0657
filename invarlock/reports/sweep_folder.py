"""A results folder, of a sweep or an evaluation: filled aside, described by a manifest, published by one rename."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from invarlock.digests import sha256_file
from invarlock.errors import ConfigError, StoreError
from invarlock.files import sync_folder, write_atomic, write_json
from invarlock.provenance import CodeVersion
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


def code_entry(code: CodeVersion, commit: str | None) -> dict[str, str | None]:
    """``Manifest.code``. commit: of the checkout that ran it; None outside one."""
    return {"version": code.version, "sha256": code.sha256, "commit": commit}


def volatile_of(report_file: str) -> tuple[str, ...]:
    """``Manifest.volatile_fields`` of a sweep whose report says when it was made and what work that took."""
    return (
        f"{report_file}: generated_at",
        f"{report_file}: volatile",
        f"{MANIFEST}: files.{report_file}",
        f"{MANIFEST}: code.commit",
    )


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
        own = self.staging / MANIFEST
        files = sorted(path for path in self.staging.rglob("*") if path.is_file() and path != own)
        return {path.relative_to(self.staging).as_posix(): sha256_file(path) for path in files}

    def publish(self, manifest: Manifest) -> None:
        """Put the staged files under the final name, whole or not at all.

        StoreError when the folders cannot be renamed; the next sweep then puts the old results back.
        """
        write_json(self.staging / MANIFEST, manifest.model_dump(mode="json"))
        try:
            for folder in (self.staging, *(path for path in self.staging.rglob("*") if path.is_dir())):
                sync_folder(folder)
            if self.out.exists():
                self.out.replace(_beside(self.out, "previous"))
            self.staging.replace(self.out)
            sync_folder(self.out.parent)
        except OSError as error:
            raise StoreError(
                f"the results cannot be put in place: {error.strerror}",
                where=self.out,
                fix="check that its folder is writable and run the same command again; measurements are kept",
            ) from error


@contextmanager
def claim(out: Path, run_key: str, *, fresh: bool) -> Iterator[SweepFolder]:
    """Hold ``out`` for one sweep, to the end of the block, and give its staging folder.

    ConfigError when it cannot be written, holds another sweep's results (without ``fresh``), holds files that no
    sweep wrote, or is held by another process. No result under ``out`` changes before :meth:`SweepFolder.publish`.
    """
    out = out.resolve()
    staging = _beside(out, "partial")
    with _held(out):
        with _refusing_unwritable(out):
            _settle(out, staging)  # what a killed sweep left
            _refuse_foreign(out, run_key, fresh=fresh)
            staging.mkdir()
        try:
            yield SweepFolder(out, staging)
        finally:
            with suppress(OSError):  # the results are in place; the next sweep tries again and tells
                _settle(out, staging)


def ensure_usable(out: Path) -> None:
    """Refuse at once what :func:`claim` would refuse whatever the sweep turns out to be. Raises ConfigError.

    Holds no lock: looking must not make another sweep fail.
    """
    out = out.resolve()
    with _refusing_unwritable(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(out.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(out.parent))
        _refuse_foreign(out, "", fresh=True)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a results folder, or None when it has none that can be read."""
    try:
        return Manifest.model_validate(json.loads((folder / MANIFEST).read_bytes()))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError, ValidationError):
        return None


def _beside(out: Path, role: str) -> Path:
    return out.with_name(f".{out.name}.{role}")


@contextmanager
def _refusing_unwritable(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"the results folder cannot be written: {error.strerror}",
            where=error.filename or out,
            fix="choose a folder that you can write to",
        ) from error


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Lock a file beside ``out`` that no publication renames: the kernel lets go of it when the holder dies."""
    lock = _beside(out, "lock")
    with _refusing_unwritable(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        held = _lock(lock, out)
    try:
        yield
    finally:
        if _is_at(lock, held):
            lock.unlink()  # still locked: whoever opened it before sees that it is gone, and opens the next
        os.close(held)


def _lock(lock: Path, out: Path) -> int:
    while True:
        held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(held)
            raise ConfigError(
                "another sweep is writing here now", where=out, fix="wait for it, or choose another folder"
            ) from error
        if _is_at(lock, held):
            return held
        os.close(held)  # its holder ended, and removed it, between the two calls above


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _settle(out: Path, staging: Path) -> None:
    """Leave one result, whole, and nothing beside it, wherever a publication stopped.

    A replaced result is deleted under the staging name, so whatever is called previous is always whole.
    """
    _remove(staging)
    previous = _beside(out, "previous")
    if not previous.exists():
        return
    if _is_vacant(out):
        previous.replace(out)
    elif read_manifest(out) is not None:
        previous.replace(staging)
        _remove(staging)


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _is_vacant(out: Path) -> bool:
    return not out.exists() or (out.is_dir() and not any(out.iterdir()))


def _refuse_foreign(out: Path, run_key: str, *, fresh: bool) -> None:
    if _is_vacant(out):
        return
    if not out.is_dir():
        raise ConfigError("the results folder is a file", where=out, fix="name a folder; it need not exist")
    manifest = read_manifest(out)
    if manifest is None:
        raise ConfigError(
            "the folder holds files that no sweep wrote, nor an evaluation",
            where=out,
            fix="choose an empty folder, or move them away",
        )
    if manifest.run_key != run_key and not fresh:
        raise ConfigError(
            f"the folder holds the results of another sweep or evaluation ({manifest.kind} {manifest.run_key[:12]}; "
            f"this one is {run_key[:12]}: config, model, data, policy, options or code differ)",
            where=out,
            fix="choose another folder, or replace them with --fresh",
        )
