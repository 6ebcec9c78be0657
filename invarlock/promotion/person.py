"""Who is at work, as the operating system says, and when two names are one person's."""

from __future__ import annotations

import getpass
import unicodedata

from invarlock.errors import PromotionError


def whoever_runs_this() -> str:
    """The name of the user of this process. A claim like any name: signatures carry identity (decision 0107)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:
        raise PromotionError(
            "the operating system has no name for the user of this process",
            fix="name yourself: in the command, or by the environment variable LOGNAME",
        ) from error


def same_person(name: str, other: str) -> bool:
    """Whether the names differ in nothing but case, width and blanks: `Ann Lee` and `ann  lee` are no four eyes."""
    return _spelling(name) == _spelling(other)


def _spelling(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
