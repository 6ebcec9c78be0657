"""How the loss of each final window changed, beside what the tail gate allows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from invarlock.gates.tail import TailStats
from invarlock.policy.metrics import TailGate
from invarlock.reports.figure_files import GRID, NOW, RECOMMENDED, plain_number
from invarlock.reports.inline_svg import BEFORE, INK, WORSE, inline_style, inline_svg, new_figure

_BINS = 32
_FAR = 2.5  # a limit farther out than this many spreads is told, not drawn: the windows would be a needle


def plot_deltas(deltas: Sequence[float], stats: TailStats, policy: TailGate) -> Markup:
    """An ``<svg>``. deltas: subject less baseline by final window, nats per token; at least one."""
    lowest, highest = _range(deltas, stats, policy)
    with inline_style():
        figure = new_figure(3.1)
        axes = figure.add_subplot()
        split = [
            [delta for delta in deltas if delta <= policy.epsilon],
            [delta for delta in deltas if delta > policy.epsilon],
        ]
        axes.hist(
            split,
            bins=_bins(lowest, highest, policy.epsilon),
            stacked=True,
            color=[BEFORE, WORSE],
            linewidth=0,
            zorder=3,
        )
        axes.axvline(0, color=NOW, linewidth=0.8, zorder=4)
        axes.axvline(stats.quantile_value, color=INK, linestyle="--", linewidth=1.4, zorder=4)
        _draw_limit(axes, policy, highest)
        axes.set_xlim(lowest, highest)
        axes.set_xlabel("change of loss in a window, nats per token")
        axes.set_ylabel("windows")
        axes.xaxis.set_major_formatter(plain_number)
        axes.locator_params(axis="x", nbins=5)
        axes.locator_params(axis="y", integer=True, nbins=5)
        axes.grid(axis="y", color=GRID, zorder=0)
        figure.legend(handles=_legend(policy), loc="outside lower center", ncols=2, frameon=False)
        return inline_svg(figure, "deltas", "histogram of the change of loss over the final windows")


def _range(deltas: Sequence[float], stats: TailStats, policy: TailGate) -> tuple[float, float]:
    lowest, highest = min(0.0, *deltas), max(0.0, stats.quantile_value, *deltas)
    spread = highest - lowest or 1e-3
    if policy.quantile_max <= lowest + _FAR * spread:
        highest = max(highest, policy.quantile_max)
    return lowest - 0.06 * spread, highest + 0.06 * spread


def _bins(lowest: float, highest: float, epsilon: float) -> Sequence[float]:
    """Ends of equal bins over the range; ``epsilon`` is one, so that no bar is both better and worse."""
    width = (highest - lowest) / _BINS
    first = epsilon - math.ceil((epsilon - lowest) / width) * width
    return [first + width * i for i in range(_BINS + 2)]


def _draw_limit(axes: Axes, policy: TailGate, highest: float) -> None:
    if policy.quantile_max <= highest:
        axes.axvline(policy.quantile_max, color=RECOMMENDED, linewidth=1.8, zorder=4)
        return
    note = f"limit {plain_number(policy.quantile_max)}: off the chart →"
    axes.set_title(note, loc="right", color=RECOMMENDED, fontsize=11)


def _legend(policy: TailGate) -> Sequence[Line2D | Patch]:
    return [
        Patch(color=BEFORE, label="not worse"),
        Patch(color=WORSE, label=f"worse by > {plain_number(policy.epsilon)}"),
        Line2D([], [], color=INK, linestyle="--", label=f"quantile {policy.quantile:g}"),
        Line2D([], [], color=RECOMMENDED, label="its limit"),
    ]
