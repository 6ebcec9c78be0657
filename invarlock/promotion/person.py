"""Who is at work, as the operating system says."""

from __future__ import annotations

import getpass

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
