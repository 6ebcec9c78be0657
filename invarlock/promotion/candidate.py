"""The tiers file that a request would put in force, and what it would change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from invarlock.digests import sha256_hex
from invarlock.errors import PromotionError
from invarlock.policy.catalog import entry_in_file
from invarlock.policy.diff import Change, diff_tiers
from invarlock.policy.tiers_file import TiersFile, apply_patch, read_tiers
from invarlock.promotion.overlay import overlay
from invarlock.promotion.requests import PromotionRequest, Request
from invarlock.promotion.runtime_files import RuntimeFiles

PATCH = Path("patch")  # what errors call the text of one


@dataclass(frozen=True)
class Candidate:
    """The bytes of the new file, and the values in force that differ."""

    data: bytes
    changes: tuple[Change, ...]

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the file."""
        return sha256_hex(self.data)


def candidate_of(files: RuntimeFiles, request: Request) -> Candidate:
    """What ``request`` makes of the tiers file in force. Raises PromotionError or PolicyError when it cannot."""
    if isinstance(request, PromotionRequest):
        return patched(files, read_patch(request.patch))
    return returning(files, request.change_sha256)


def read_patch(text: str) -> TiersFile:
    """A patch's text, with its keys and values checked. Raises PolicyError with what is wrong."""
    return read_tiers(text, PATCH)


def changes_of(files: RuntimeFiles, patch: str) -> tuple[Change, ...]:
    """What ``patch`` would change in the tiers file in force; empty where it agrees with it."""
    base = _live(files)[1]
    return diff_tiers(base, apply_patch(base, read_patch(patch)))


def patched(files: RuntimeFiles, patch: TiersFile) -> Candidate:
    """The tiers file in force with ``patch`` laid over it, comments, order and untouched lines as they are."""
    text, base = _live(files)
    merged = apply_patch(base, patch)
    changes = diff_tiers(base, merged)
    if not changes:
        raise PromotionError("the patch changes nothing", fix="keep the policy that is in force")
    _refuse_fixed(changes)
    result = overlay(text, base.given(), merged.given())
    if read_tiers(result, files.live).given() != merged.given():
        raise PromotionError(
            "the patch cannot be laid over the text of the tiers file",
            where=files.live,
            fix="write the keys that it changes in block style, one a line, and calibrate against that",
        )
    return Candidate(result.encode(), changes)


def returning(files: RuntimeFiles, sha256: str) -> Candidate:
    """A version from ``runtime/history``, byte for byte."""
    path = files.version(sha256)
    data = path.read_bytes() if path.is_file() else b""
    if sha256_hex(data) != sha256:
        raise PromotionError(
            f"the version {sha256[:12]} is not kept, or was altered", where=path, fix="choose another version"
        )
    return Candidate(data, diff_tiers(_live(files)[1], read_tiers(text_of(data, path), path)))


def _live(files: RuntimeFiles) -> tuple[str, TiersFile]:
    text = text_of(files.live.read_bytes(), files.live)
    return text, read_tiers(text, files.live)


def text_of(data: bytes, path: Path) -> str:
    """The text of a tiers file. PromotionError when it is none."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PromotionError("not UTF-8 text", where=path, fix="save the file as UTF-8") from error


def _refuse_fixed(changes: tuple[Change, ...]) -> None:
    """Refuse keys that no sweep recommends (decision 0032)."""
    fixed = [
        change.path
        for change in changes
        if entry_in_file(change.path.removeprefix(f"{change.tier.value}.")).key.sweep is None
    ]
    if fixed:
        raise PromotionError(
            f"no patch may change {', '.join(fixed)}",
            where=fixed[0],
            fix="change it by hand, with a reason; `invarlock policy keys` says what sweeps recommend",
        )
