"""Figures as files: SVG and PNG whose bytes depend on what is drawn alone, and the colours that all plots share."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from invarlock.families import Family

NOW = "#4a5568"  # a threshold that is in force
RECOMMENDED = "#c53030"
GRID = "#e2e8f0"
FAMILY_COLOURS: Mapping[Family, str] = MappingProxyType(
    {Family.FFN: "#2b6cb0", Family.ATTN: "#c05621", Family.EMBED: "#2f855a", Family.OTHER: "#6b46c1"}
)


@contextmanager
def plot_style() -> Iterator[None]:
    """Settings under which a figure is drawn and saved: a fixed salt for the ids inside the SVG, which is hashed."""
    with mpl.rc_context({"svg.hashsalt": "invarlock", "font.size": 9}):
        yield


def image_files(figure: Figure) -> Mapping[str, bytes]:
    """The figure as SVG and PNG, by file ending. Equal figures give equal bytes: no date, no software."""
    return {ending: _rendered(figure, ending) for ending in ("svg", "png")}


def plain_number(value: float, _position: float | None = None) -> str:
    """Decimals and no exponent: small effects side by side. Has the form of matplotlib's tick formatters.

    >>> plain_number(5e-05)
    '0.00005'
    """
    return np.format_float_positional(value, precision=9, unique=True, trim="-")


def _rendered(figure: Figure, ending: str) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Date": None} if ending == "svg" else {"Software": None}
    figure.savefig(buffer, format=ending, dpi=130, metadata=metadata)
    return buffer.getvalue()
