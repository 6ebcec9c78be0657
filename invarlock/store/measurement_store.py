"""The content-addressed measurement store: each distinct measurement once, ever.

An entry's name is the SHA-256 of what was measured (:class:`MeasurementKey`), so two callers that ask the
same question find the same answer. An entry is two lines: the hash of the second, and the second: key and
value as canonical JSON. A reader checks the hash and the key; an entry that fails is set aside, reported,
and measured anew. Writers rename a complete, fsynced file into place, so readers never see half of one.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from invarlock.digests import canonical_json, digest_of, sha256_hex
from invarlock.files import locked, write_atomic
from invarlock.record import Record

log = logging.getLogger(__name__)
R = TypeVar("R", bound=Record)


class MeasurementKey(Record):
    """What was measured.

    kind: such as ``window_loss``; version: of the code that measures it, raised when its numbers change;
    inputs: digests and parameters that the value depends on, and nothing else.
    """

    kind: str
    version: int
    inputs: Mapping[str, JsonValue]

    @property
    def digest(self) -> str:
        """Hex SHA-256 that names the entry."""
        return digest_of(self)


class StoreCounts(Record):
    """What one store object did: entries found, entries written, and damaged entries.

    quarantined: where each damaged entry was set aside, or its own path when another reader did that first.
    """

    found: Mapping[str, int]
    written: Mapping[str, int]
    quarantined: tuple[str, ...]


class MeasurementStore:
    """Measurements under ``root``, one file an entry. Safe for threads and processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._found: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._quarantined: list[str] = []
        self._counting = Lock()

    def get(self, key: MeasurementKey, kind: type[R]) -> R | None:
        """The kept value, or None when there is none that can be trusted."""
        digest = key.digest
        path = self._path(key.kind, digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        value = _verified(data, key, kind)
        if value is None:
            value = self._quarantine(path, key, kind)
        if value is None:
            return None
        self._count(self._found, key.kind)
        return value

    def put(self, key: MeasurementKey, value: Record) -> None:
        """Keep ``value`` under ``key``. A value that is already there is replaced by the same bytes."""
        body = canonical_json({"key": key, "value": value})
        write_atomic(self._path(key.kind, key.digest), sha256_hex(body).encode() + b"\n" + body + b"\n")
        self._count(self._written, key.kind)

    def exclusive(self, name: str) -> AbstractContextManager[None]:
        """A lock between processes on ``name``: whoever measures holds it, the others wait and then find."""
        return locked(self.root / "locks" / name)

    def damaged(self) -> list[Path]:
        """Entries whose content does not have the hash beside it. Looks, and changes nothing."""
        kinds = (folder for folder in self.root.glob("*") if folder.name not in ("locks", "quarantine"))
        entries = (path for kind in kinds for path in kind.glob("??/*") if len(path.name) == 64)
        return [path for path in entries if _checked_body(path.read_bytes()) is None]

    def counts(self) -> StoreCounts:
        """What this object found, wrote and set aside so far."""
        with self._counting:
            return StoreCounts(
                found=dict(self._found), written=dict(self._written), quarantined=tuple(self._quarantined)
            )

    def _path(self, kind: str, digest: str) -> Path:
        return self.root / kind / digest[:2] / digest

    def _quarantine(self, path: Path, key: MeasurementKey, kind: type[R]) -> R | None:
        """Set a damaged entry aside and report it; the value when a writer has mended it meanwhile."""
        aside = self.root / "quarantine" / f"{path.name}.{secrets.token_hex(4)}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        kept, value = path, None
        with self.exclusive(f"quarantine-{path.name[:2]}"):
            try:
                path.replace(aside)
            except FileNotFoundError:
                pass  # another reader of the same damage was first
            else:
                # Writers take no lock, so only what was moved, not what is read before, can be judged.
                value = _verified(aside.read_bytes(), key, kind)
                kept = aside if value is None else aside.replace(path)
        log.warning("measurement %s was damaged; it is set aside (%s) and measured anew", path, kept)
        with self._counting:
            self._quarantined.append(str(kept))
        return value

    def _count(self, counter: dict[str, int], kind: str) -> None:
        with self._counting:
            counter[kind] = counter.get(kind, 0) + 1


def _checked_body(data: bytes) -> bytes | None:
    """The second line of an entry, None when it does not have the hash that the first line holds."""
    checksum, _, rest = data.partition(b"\n")
    body = rest.removesuffix(b"\n")
    return body if sha256_hex(body).encode() == checksum else None


def _verified(data: bytes, key: MeasurementKey, kind: type[R]) -> R | None:
    body = _checked_body(data)
    if body is None:
        return None
    try:
        entry = json.loads(body)
        if MeasurementKey.model_validate(entry["key"]) != key:
            return None
        return kind.model_validate(entry["value"])
    except (ValidationError, KeyError, TypeError, json.JSONDecodeError):
        return None
