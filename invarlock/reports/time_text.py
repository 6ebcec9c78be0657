"""Moments as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text(moment: datetime) -> str:
    """``moment``, which has a time zone, to the minute.

    >>> utc_text(datetime.fromisoformat("2026-11-21T20:16:59.3+01:00"))
    '2026-11-21 19:16 UTC'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
