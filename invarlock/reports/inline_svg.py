"""A figure as SVG inside a page: real text, and colours that follow the page into the dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from invarlock.reports.figure_files import FAMILY_COLOURS, GRID, NOW, RECOMMENDED

INK, BEFORE = "#1a202c", "#a0aec0"
VALUE, WORSE = "#2b6ca3", "#dd6b20"
# As drawn, to the variable of page.css that holds the colour for light and for dark.
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        INK: "--ink",
        BEFORE: "--before",
        VALUE: "--value",
        WORSE: "--worse",
        NOW: "--limit",
        RECOMMENDED: "--bad",
        GRID: "--grid",
        **{colour: f"--{family}" for family, colour in FAMILY_COLOURS.items()},
    }
)
WIDTH = 4.6  # inches: at a phone's width a point of text is a pixel, and on a desk it is not huge


@contextmanager
def inline_style() -> Iterator[None]:
    """Settings under which a figure for a page is drawn and saved: ids that are hashes, text that stays text."""
    colours = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")
    edges = ("axes.edgecolor", "xtick.color", "ytick.color")
    with mpl.rc_context(
        {
            "svg.hashsalt": "invarlock",
            "svg.fonttype": "none",
            "font.size": 11,
            "axes.facecolor": "none",
            "figure.facecolor": "none",
            "axes.spines.top": False,
            "axes.spines.right": False,
            **dict.fromkeys(colours, INK),
            **dict.fromkeys(edges, NOW),
        }
    ):
        yield


def new_figure(height: float) -> Figure:
    """An empty figure as wide as a phone; height in inches. Within ``inline_style``."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def inline_svg(figure: Figure, name: str, described: str) -> Markup:
    """The figure as an ``<svg>`` element. Equal figures give equal bytes.

    name: unique in the page, its ids begin with it; described: for who cannot see it. Within ``inline_style``.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    drawn = embedded_svg(buffer.getvalue().decode(), name, described)
    for colour, variable in VARIABLES.items():
        drawn = drawn.replace(colour, f"var({variable})")
    return drawn


def embedded_svg(text: str, name: str, described: str) -> Markup:
    """The ``<svg>`` element of a file that matplotlib wrote, fit to stand in a page; name, described: as above."""
    drawn = text[text.index("<svg") :].strip()
    for pattern, replacement in (
        (r' (width|height)="[\d.]+pt"', ""),
        (r' id="', f' id="{name}-'),
        (r"url\(#", f"url(#{name}-"),
        (r'xlink:href="#', f'xlink:href="#{name}-'),
        (r"font-family: [^;\"]*;? ?", ""),  # the face of the page: the reader may not have matplotlib's
        (r"(?s)<metadata>.*?</metadata>", ""),
        (r"<style.*?</style>", ""),  # would hold for the whole page, which has it for every picture
    ):
        drawn = re.sub(pattern, replacement, drawn)
    label = Markup('<svg role="img" aria-label="{}"').format(described)
    return label + Markup(drawn.removeprefix("<svg"))
