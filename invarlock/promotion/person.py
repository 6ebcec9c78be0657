"""Who is at work, as the operating system says, and when two names are one person's."""

from __future__ import annotations

import getpass
import unicodedata

from invarlock.errors import PromotionError
from invarlock.promotion.words import refused, said_name

RECALIBRATION = "recalibration"  # what a request is by when no person made it


def whoever_runs_this() -> str:
    """The name of the user of this process. A claim like any name: signatures carry identity (decision 0107)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:
        raise PromotionError(
            "the operating system has no name for the user of this process",
            fix="name yourself: in the command, or by the environment variable LOGNAME",
        ) from error


def person_name(name: str, what: str) -> str:
    """As :func:`said_name`, of a person. PromotionError for the name that recalibrations ask under."""
    stripped = said_name(name, what)
    if same_person(stripped, RECALIBRATION):
        raise refused(
            f"{what} is a person: under the name {RECALIBRATION} calibrations ask by themselves",
            name,
            "name yourself: `--requester` or `--as` of the command, the name in the form",
        )
    return stripped


def same_person(name: str, other: str) -> bool:
    """Whether the names differ in nothing but case, width and blanks: `Ann Lee` and `ann  lee` are no four eyes."""
    return _spelling(name) == _spelling(other)


def _spelling(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
