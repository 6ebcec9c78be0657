"""A patch as a sweep wrote it: its text, what its header says, and its values, all of them read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from invarlock.digests import sha256_hex
from invarlock.errors import PromotionError
from invarlock.policy.tiers_file import TiersFile, read_tiers
from invarlock.promotion.patch_header import PatchHeader, read_header

MOST_BYTES = 1 << 18  # a patch holds some tens of values


@dataclass(frozen=True)
class SweepPatch:
    """Whatever it says is checked against its run later; here it is whole, and each key and value is one of policy."""

    text: str
    header: PatchHeader
    values: TiersFile

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the file."""
        return sha256_hex(self.text.encode())


def read_sweep_patch(path: Path) -> SweepPatch:
    """The patch in a file. PromotionError or PolicyError, with its place, for one that says nothing."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PromotionError(
            f"the patch cannot be read: {error.strerror}",
            where=path,
            fix="name the file that the sweep wrote",
        ) from error
    return parse_sweep_patch(data, path)


def parse_sweep_patch(data: bytes, path: Path) -> SweepPatch:
    """As :func:`read_sweep_patch`, of the bytes of the file; errors say that they are in ``path``."""
    if len(data) > MOST_BYTES:
        raise PromotionError(
            f"more than {MOST_BYTES:,} bytes are no patch",
            where=path,
            fix="request a patch that a sweep wrote",
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise PromotionError(
            "the patch is not UTF-8 text", where=path, fix="request the patch as the sweep wrote it"
        ) from error
    return SweepPatch(text, read_header(text, path), read_tiers(text, path))
