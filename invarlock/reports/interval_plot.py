"""The primary metric with its interval beside its limit: one line that says pass or fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.lines import Line2D

from invarlock.gates.primary_metric import AccuracyFlag, RatioFlag
from invarlock.reports.figure_files import GRID, NOW, RECOMMENDED, plain_number
from invarlock.reports.inline_svg import VALUE, inline_style, inline_svg, new_figure


@dataclass(frozen=True)
class _Line:
    """unchanged: the value of a subject that equals its baseline; limit: without slack; unit: of the axis."""

    value: float
    ends: tuple[float, float]
    unchanged: float
    limit: float
    slack: float
    unit: str


def plot_interval(flag: RatioFlag | AccuracyFlag) -> Markup:
    """An ``<svg>``: value and interval on a line, the limit, the limit with its slack, and no change."""
    line = _line_of(flag)
    with inline_style():
        figure = new_figure(1.75)
        axes = figure.add_subplot()
        axes.plot(line.ends, [0, 0], color=VALUE, linewidth=3.5, solid_capstyle="butt", zorder=3)
        axes.scatter([line.value], [0], s=70, color=VALUE, zorder=4)
        axes.axvline(line.unchanged, color=NOW, linewidth=0.9, zorder=2)
        axes.axvline(line.limit, color=RECOMMENDED, linewidth=1.8, zorder=2)
        axes.axvline(line.slack, color=RECOMMENDED, linewidth=1.2, linestyle=":", zorder=2)
        axes.set_ylim(-1, 1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.1)
        axes.set_xlabel(line.unit)
        axes.xaxis.set_major_formatter(plain_number)
        axes.locator_params(axis="x", nbins=6)
        axes.grid(axis="x", color=GRID, zorder=0)
        figure.legend(handles=_legend(), loc="outside lower center", ncols=2, frameon=False)
        return inline_svg(figure, "metric", f"{line.unit}, its interval and its limit")


def _line_of(flag: RatioFlag | AccuracyFlag) -> _Line:
    if isinstance(flag, RatioFlag):
        ratio = flag.policy.ratio_limit_base
        unit = "perplexity, times the baseline's"
        return _Line(flag.ratio_vs_baseline, flag.display_ci, 1.0, ratio, flag.limit, unit)
    least = flag.policy.delta_min_pp
    return _Line(
        flag.delta_pp, flag.display_ci, 0.0, least, flag.limit, "change of accuracy, percentage points"
    )


def _legend() -> Sequence[Line2D]:
    return [
        Line2D([], [], color=VALUE, linewidth=3, marker="o", label="subject, interval"),
        Line2D([], [], color=NOW, linewidth=0.9, label="no change"),
        Line2D([], [], color=RECOMMENDED, label="limit"),
        Line2D([], [], color=RECOMMENDED, linestyle=":", label="limit with its slack"),
    ]
