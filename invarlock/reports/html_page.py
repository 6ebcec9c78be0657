"""Pages of one file: no script, nothing from the network, for a phone, a desk and paper, in light and dark.

Every helper escapes what it is given unless it is ``Markup``, which only these helpers and :mod:`inline_svg` make.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from urllib.parse import quote

from markupsafe import Markup

Content = str | Markup

_PAGE = Markup(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
)


class Tone(StrEnum):
    """What a colour says. The words beside it say the same: nothing is told by colour alone."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    QUIET = "quiet"


@dataclass(frozen=True)
class Column:
    """A column of a table. number: its cells are aligned by their last digit; wraps: they hold sentences."""

    name: str
    number: bool = False
    wraps: bool = False

    @property
    def kind(self) -> Markup:
        """The class of its cells, as an attribute."""
        names = [name for name, holds in (("number", self.number), ("wrap", self.wraps)) if holds]
        return Markup(' class="{}"').format(" ".join(names)) if names else Markup()


def page(title: str, *parts: Content) -> str:
    """The whole file. Equal parts give equal bytes."""
    style = Markup(files("invarlock.reports").joinpath("page.css").read_text("utf-8"))
    return str(_PAGE.format(title=title, style=style, body=_lines(parts)))


def element(tag: str, *parts: Content, kind: str = "") -> Markup:
    """``<tag class="kind">`` around ``parts``. tag: a name of HTML's, never of the data."""
    attribute = Markup(' class="{}"').format(kind) if kind else Markup()
    return Markup("<{0}{1}>{2}</{0}>").format(tag, attribute, Markup().join(parts))


def section(heading: str, *parts: Content) -> Markup:
    """A part of the page under a heading of the second level."""
    return Markup("<section>\n<h2>{}</h2>\n{}\n</section>").format(heading, _lines(parts))


def badge(text: str, tone: Tone) -> Markup:
    """A word in a coloured box."""
    return element("span", text, kind=f"badge {tone}")


def items(entries: Iterable[Content]) -> Markup:
    """An unordered list; nothing for no entries."""
    lines = [element("li", entry) for entry in entries]
    return element("ul", *lines) if lines else Markup()


def facts(entries: Mapping[str, Content]) -> Markup:
    """Names and their values, side by side where there is room."""
    pairs = [Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*entry) for entry in entries.items()]
    return element("dl", *pairs)


def table(title: str, columns: Sequence[Column], rows: Iterable[Sequence[Content]]) -> Markup:
    """A table that scrolls sideways under its title where the page is narrow. ValueError for a ragged row."""
    kinds = [column.kind for column in columns]
    head = [
        Markup('<th scope="col"{}>{}</th>').format(*pair)
        for pair in zip(kinds, (c.name for c in columns), strict=True)
    ]
    body = [
        element("tr", *(Markup("<td{}>{}</td>").format(*pair) for pair in zip(kinds, row, strict=True)))
        for row in rows
    ]
    return Markup(
        '<div class="box">\n<h3>{0}</h3>\n<div class="scroll" tabindex="0" role="region" aria-label="{0}"><table>\n'
        "<thead><tr>{1}</tr></thead>\n<tbody>\n{2}\n</tbody>\n</table></div>\n</div>"
    ).format(title, Markup().join(head), _lines(body))


def figure(title: str, svg: Markup, *notes: Content) -> Markup:
    """A picture under its title, with what there is to say about it below."""
    return Markup("<figure>\n<h3>{}</h3>\n{}\n<figcaption>{}</figcaption>\n</figure>").format(
        title, svg, _lines(notes)
    )


def wide_figure(title: str, svg: Markup) -> Markup:
    """A picture made for a wide page: where there is less room it scrolls sideways under its title."""
    return Markup(
        '<figure class="wide">\n<h3>{0}</h3>\n<div class="scroll" tabindex="0" role="region" aria-label="{0}">\n{1}\n'
        "</div>\n</figure>"
    ).format(title, svg)


def link(text: str, path: str) -> Markup:
    """A link to a file beside the page. path: relative, with / between its parts."""
    return Markup('<a href="{}">{}</a>').format(quote(path), text)


def command(text: str) -> Markup:
    """A line for a shell; it wraps rather than widen the page."""
    return Markup("<pre><code>{}</code></pre>").format(text)


def fold(summary: str, *parts: Content) -> Markup:
    """Parts that are shown when asked for, and on paper."""
    return Markup("<details>\n<summary>{}</summary>\n{}\n</details>").format(summary, _lines(parts))


def _lines(parts: Iterable[Content]) -> Markup:
    return Markup("\n").join(parts)
