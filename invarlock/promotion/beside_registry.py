"""The history beside the registered policies, for what was rewritten or removed as a whole (decision 0142)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from invarlock.promotion.history import HistoryEntry
from invarlock.promotion.verify_history import BrokenLink
from invarlock.reports.number_text import counted


def beside_registry(known: Sequence[HistoryEntry], registered: Mapping[str, str]) -> BrokenLink | None:
    """What was registered and is not in a history that is whole in itself.

    registered: version of the registered policy -> hash of the entry that it was made for. The last entries may be
    still without a version; when none has one, this is not the registry of the history.
    """
    here = {entry.sha256 for entry in known}
    for version, sha256 in registered.items():
        if sha256 not in here:
            return BrokenLink(
                line=None,
                reason=f"version {version} of the registered policy was made by an entry that is not here",
            )
    if known and not registered:
        return BrokenLink(
            line=None, reason=f"the registry has none of {counted(len(known), 'entry', 'entries')}"
        )
    return None
