"""A file that a result was made from, kept as it was read."""

from __future__ import annotations

from pathlib import Path

from invarlock.digests import sha256_hex
from invarlock.errors import ConfigError
from invarlock.record import Record


class InputFile(Record):
    """Name among the inputs, and the text."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the file's bytes."""
        return sha256_hex(self.text.encode())


def read_input(path: Path, name: str) -> InputFile:
    """Read ``path``. ConfigError when it is not text."""
    try:
        return InputFile(name=name, text=path.read_bytes().decode())
    except UnicodeDecodeError as error:
        raise ConfigError("not a text file", where=path, fix="save it as UTF-8") from error
