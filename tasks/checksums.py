"""SHA256SUMS: the hashes of a set of files, in the format that ``sha256sum -c`` reads."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from invarlock.digests import sha256_file
from invarlock.errors import StoreError

FILE_NAME = "SHA256SUMS"
_LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>[^\n]+)")


@contextmanager
def staged(files: Mapping[str, Path | bytes]) -> Iterator[tuple[Path, str]]:
    """A temporary folder with ``files`` (path in it -> file or content) and their list; the hash of the list."""
    with tempfile.TemporaryDirectory(prefix="invarlock-artifacts-") as name:
        folder = Path(name)
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                target.write_bytes(content)
            else:
                shutil.copyfile(content, target)
        yield folder, write_checksums(folder)


def write_checksums(folder: Path) -> str:
    """Write the hashes of every file under ``folder`` beside them; returns the hash of that list itself."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    text = "".join(f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    listing = folder / FILE_NAME
    listing.write_text(text)
    return sha256_file(listing)


def read_checksums(listing: Path) -> Mapping[str, str]:
    """{path: hex SHA-256} of a list. StoreError for a line of another format, or a path that may lead elsewhere."""
    hashes = {}
    for number, line in enumerate(listing.read_text().splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise StoreError(f"line {number} is not a checksum: {line[:80]!r}", where=listing)
        _ensure_inside(match["path"], listing)
        hashes[match["path"]] = match["sha256"]
    return hashes


def _ensure_inside(path: str, listing: Path) -> None:
    """Whoever made the list may be an intruder: its paths are joined to folders that files are copied to."""
    if "\\" in path or not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise StoreError(f"a path of the list may lead out of its folder: {path[:80]!r}", where=listing)
