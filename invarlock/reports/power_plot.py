"""The power curve: how small an effect a tier's gate can resolve with how many calibration windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from invarlock.calibration.ve_records import PowerPoint
from invarlock.reports.figure_files import GRID, NOW, RECOMMENDED, image_files, plain_number, plot_style

_HALF_WIDTH, _CI_WIDTH = "#2b6cb0", "#90cdf4"


def plot_power(
    curve: Sequence[PowerPoint],
    current: Mapping[str, float],
    recommended: Mapping[str, float],
    title: str,
) -> Mapping[str, bytes]:
    """The plot as SVG and PNG, by file ending: a panel a tier, in the order of ``current``. Equal input, equal bytes.

    current, recommended: min_effect_lognll by tier, nats per token; a tier for which nothing is recommended has none.
    """
    top = _top(curve, recommended)
    counts = sorted({point.windows for point in curve})
    with plot_style():
        figure = Figure(figsize=(2.2 + 2.7 * max(len(current), 2), 4.2), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        panels = figure.subplots(1, len(current), sharex=True, sharey=True, squeeze=False)[0]
        for panel, tier in zip(panels, current, strict=True):
            points = [point for point in curve if point.tier == tier]
            _draw_panel(panel, points, current[tier], recommended.get(tier), top)
            panel.set_title(tier, loc="left", fontsize=9)
            panel.set_xticks(counts)
            panel.set_xlim(min(counts, default=0) - 1, max(counts, default=0) + 1)
            panel.set_xlabel("calibration windows")
        panels[0].set_ylabel("nats per token")
        figure.legend(handles=_legend(), loc="outside lower center", ncols=2, frameon=False)
        return image_files(figure)


def _top(curve: Sequence[PowerPoint], recommended: Mapping[str, float]) -> float:
    """Upper end of the axis: what was measured and is recommended fits, a far threshold now in force need not."""
    values = [*recommended.values()]
    for point in curve:
        values += [value for value in (point.half_width, point.mean_ci_width) if value is not None]
    return 1.25 * max(values, default=0.0) or 1e-3


def _draw_panel(
    axes: Axes, points: Sequence[PowerPoint], current: float, recommended: float | None, top: float
) -> None:
    widths = [(p.windows, p.mean_ci_width) for p in points if p.mean_ci_width is not None]
    half_widths = [(p.windows, p.half_width) for p in points if p.half_width is not None]
    for places, colour in ((widths, _CI_WIDTH), (half_widths, _HALF_WIDTH)):
        x, y = [x for x, _ in places], [y for _, y in places]
        axes.plot(x, y, "o-", color=colour, markersize=4, zorder=3)
    if all(point.runs == 0 for point in points):
        axes.text(0.5, 0.5, "no run has an interval", ha="center", transform=axes.transAxes, color=NOW)
    if recommended is not None:
        axes.axhline(recommended, color=RECOMMENDED, linewidth=1.8, zorder=2)
    if current <= top:
        axes.axhline(current, color=NOW, linestyle="--", linewidth=1.4, zorder=2.5)
    else:
        note = f"now {plain_number(current)}: off the chart ↑"
        axes.text(0.98, 0.97, note, ha="right", va="top", transform=axes.transAxes, color=NOW)
    axes.set_ylim(-0.02 * top, top)
    axes.yaxis.set_major_formatter(plain_number)
    axes.grid(axis="y", color=GRID, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def _legend() -> Sequence[Line2D]:
    half_width = "half-width: a gain this large is found half of the time"
    return [
        Line2D([], [], color=_HALF_WIDTH, marker="o", markersize=4, label=half_width),
        Line2D([], [], color=_CI_WIDTH, marker="o", markersize=4, label="mean width of the interval"),
        Line2D([], [], color=NOW, linestyle="--", label="min_effect now"),
        Line2D([], [], color=RECOMMENDED, label="min_effect recommended"),
    ]
