"""The policies that were in force, by what people call them."""

from __future__ import annotations

from pathlib import Path

from invarlock.errors import PromotionError
from invarlock.promotion.history import entries
from invarlock.promotion.runtime_files import RuntimeFiles


def version_named(beginning: str | None, root: Path | None = None) -> str:
    """The full hash of the one version of the history that begins so; None: the version before the last change.

    PromotionError when the history has none of that name, or several.
    """
    files = RuntimeFiles.of(root)
    events = [entry.event for entry in entries(files)]
    if not events:
        raise PromotionError(
            "there is nothing to go back to: the history is empty",
            where=files.history,
            fix="a rollback takes back what was promoted",
        )
    if beginning is None:
        return events[-1].from_sha256
    versions = {version for event in events for version in (event.from_sha256, event.to_sha256)}
    found = [version for version in versions if version.startswith(beginning)]
    if len(found) != 1:
        raise PromotionError(
            f"{len(found) or 'no'} versions of the policy begin with {beginning!r}",
            where=files.history,
            fix="give more digits, as `invarlock policy history` shows them",
        )
    return found[0]
