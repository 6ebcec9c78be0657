"""The four families that policy is written in."""

from __future__ import annotations

from enum import StrEnum


class Family(StrEnum):
    """What a weight matrix is for; thresholds are set per family."""

    FFN = "ffn"
    ATTN = "attn"
    EMBED = "embed"
    OTHER = "other"
