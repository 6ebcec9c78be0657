"""Gains of the runs by tier beside min_effect: which runs a threshold lets through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from invarlock.calibration.min_effect import count_passing
from invarlock.reports.figure_files import GRID, NOW, RECOMMENDED, image_files, plain_number, plot_style

_GAIN, _NO_GAIN = "#2f855a", "#a0aec0"
_COLUMNS = 60  # of stacked dots across the axis


def plot_gains(
    gains: Mapping[str, Sequence[float]],
    current: Mapping[str, float],
    recommended: Mapping[str, float],
    title: str,
) -> Mapping[str, bytes]:
    """The plot as SVG and PNG, by file ending: a row a tier, in the order of ``gains``. Equal input gives equal bytes.

    gains: of each run; current, recommended: min_effect_lognll; all by tier, in nats per token. A tier for which
    nothing is recommended has none.
    """
    right = 1.12 * max([*(max(values) for values in gains.values()), *recommended.values()]) or 1e-3
    with plot_style():
        figure = Figure(figsize=(8, 1.6 + 1.3 * len(gains)), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        rows = figure.subplots(len(gains), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (tier, values) in zip(rows, gains.items(), strict=True):
            axes.set_title(tier, loc="left", fontsize=9)
            _draw_row(axes, values, current[tier], recommended.get(tier), right)
        rows[-1].set_xlabel("gain that the run's interval vouches for, nats per token")
        rows[-1].tick_params(bottom=True, labelbottom=True)
        figure.legend(handles=_legend(), loc="outside lower center", ncols=4, frameon=False)
        return image_files(figure)


def _draw_row(
    axes: Axes, gains: Sequence[float], current: float, recommended: float | None, right: float
) -> None:
    places = _stacked([gain for gain in gains if gain > 0], right)
    axes.scatter([x for x, _ in places], [y for _, y in places], s=18, color=_GAIN, zorder=3)
    if zero := len(gains) - len(places):
        axes.scatter([0.0], [1], s=34, facecolors="white", edgecolors=_NO_GAIN, linewidths=1.4, zorder=4)
        axes.text(-0.015 * right, 1, f"{zero} no gain", ha="right", va="center", color=NOW)
    note = "nothing measured"
    if recommended is not None:
        axes.axvline(recommended, color=RECOMMENDED, linewidth=1.8, zorder=2)
        passing = count_passing(gains, recommended)
        note = f"{passing} of {len(gains)} runs pass the recommended {plain_number(recommended)}"
    if current <= right:
        axes.axvline(current, color=NOW, linestyle="--", linewidth=1.4, zorder=2.5)
    if current > right:
        note += f"; now {plain_number(current)}: off the chart →"
    axes.set_title(note, loc="right", fontsize=8, color=NOW)
    axes.set_xlim(-0.14 * right, right)
    axes.set_ylim(0, max([2, *(y + 1 for _, y in places)]))
    axes.xaxis.set_major_formatter(plain_number)
    axes.set_yticks([])
    axes.grid(axis="x", color=GRID, zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _stacked(gains: Sequence[float], right: float) -> Sequence[tuple[float, int]]:
    """Each gain at its own place across, and above those that stand in the same column."""
    height: Counter[int] = Counter()
    places = []
    for gain in sorted(gains):
        column = int(gain / right * _COLUMNS)
        height[column] += 1
        places.append((gain, height[column]))
    return places


def _legend() -> Sequence[Line2D]:
    return [
        Line2D([], [], color=_GAIN, linestyle="", marker="o", markersize=4, label="a run with a gain"),
        Line2D([], [], color=_NO_GAIN, linestyle="", marker="o", mfc="white", label="runs without one"),
        Line2D([], [], color=NOW, linestyle="--", label="min_effect now"),
        Line2D([], [], color=RECOMMENDED, label="min_effect recommended"),
    ]
