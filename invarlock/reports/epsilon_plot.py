"""Delta of edge risk of null runs by family, beside the band now and recommended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from invarlock.families import Family
from invarlock.reports.figure_files import (
    FAMILY_COLOURS,
    GRID,
    NOW,
    RECOMMENDED,
    image_files,
    plain_number,
    plot_style,
)


@dataclass(frozen=True)
class EpsilonPanel:
    """One tier. deltas: r_cur / r_base - 1 of each run; now, recommended: epsilon; all by family."""

    tier: str
    deltas: Mapping[Family, Sequence[float]]
    now: Mapping[Family, float]
    recommended: Mapping[Family, float]


def plot_epsilon(panels: Sequence[EpsilonPanel], title: str) -> Mapping[str, bytes]:
    """The plot as SVG and PNG, by file ending: a panel a tier. Equal input gives equal bytes.

    A band that is far beyond every delta and recommendation is written at the top instead of drawn.
    """
    low, high = _range(panels)
    with plot_style():
        figure = Figure(figsize=(2.2 + 2.9 * max(len(panels), 2), 4.2), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        columns = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(columns, panels, strict=True):
            axes.set_title(panel.tier, loc="left", fontsize=9)
            _draw_panel(axes, panel, high)
        columns[0].set_ylim(low, high)
        columns[0].set_ylabel("r_cur / r_base - 1")
        figure.legend(handles=_legend(), loc="outside lower center", ncols=3, frameon=False)
        return image_files(figure)


def _range(panels: Sequence[EpsilonPanel]) -> tuple[float, float]:
    drawn = [delta for panel in panels for deltas in panel.deltas.values() for delta in deltas]
    drawn += [epsilon for panel in panels for epsilon in panel.recommended.values()]
    low, high = min(drawn, default=0.0), max(drawn, default=0.0)
    room = 0.15 * (high - min(low, 0.0)) or 1e-6
    return min(low, 0.0) - room, max(high, 0.0) + room


def _draw_panel(axes: Axes, panel: EpsilonPanel, top: float) -> None:
    for x, (family, deltas) in enumerate(panel.deltas.items()):
        ends = x - 0.42, x + 0.42
        step = 0.6 / max(len(deltas) - 1, 1)
        places = [x - 0.3 + step * i if len(deltas) > 1 else x for i in range(len(deltas))]
        axes.scatter(places, sorted(deltas), s=14, color=FAMILY_COLOURS[family], zorder=3)
        if (now := panel.now[family]) < top:
            axes.hlines(now, *ends, color=NOW, linestyle="--", linewidth=1.4, zorder=2.5)
        else:
            axes.text(
                x,
                0.99,
                f"now\n{plain_number(now)} ↑",
                ha="center",
                va="top",
                fontsize=7,
                color=NOW,
                transform=axes.get_xaxis_transform(),
            )
        if family in panel.recommended:
            axes.hlines(panel.recommended[family], *ends, color=RECOMMENDED, linewidth=1.8, zorder=2)
    axes.axhline(0, color=GRID, linewidth=1.2, zorder=1)
    axes.set_xticks(range(len(panel.deltas)), [family.value for family in panel.deltas])
    axes.yaxis.set_major_formatter(plain_number)
    axes.grid(axis="y", color=GRID, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def _legend() -> Sequence[Line2D]:
    return [
        Line2D([], [], color=NOW, linestyle="", marker="o", markersize=4, label="a null run"),
        Line2D([], [], color=NOW, linestyle="--", label="epsilon now"),
        Line2D([], [], color=RECOMMENDED, label="epsilon recommended"),
    ]
