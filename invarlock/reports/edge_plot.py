"""Change of the edge risk by family and module beside each family's epsilon band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from invarlock.families import Family
from invarlock.guards.rmt_metrics import FamilyEdge, ModuleEdge
from invarlock.reports.figure_files import FAMILY_COLOURS, GRID, NOW, RECOMMENDED, plain_number
from invarlock.reports.inline_svg import BEFORE, INK, inline_style, inline_svg, new_figure

_MOST = 120  # dots a family: those farthest from no change


def plot_edges(families: Mapping[Family, FamilyEdge], modules: Mapping[str, ModuleEdge]) -> Markup:
    """An ``<svg>``: a row a family, its risk as a diamond, its modules as dots, in percent of the baseline's."""
    with inline_style():
        figure = new_figure(1.5 + 0.5 * len(families))
        axes = figure.add_subplot()
        for row, (family, edge) in enumerate(families.items()):
            changes = [100 * (each.ratio - 1) for each in modules.values() if each.family is family]
            _draw_row(axes, row, family, edge, sorted(changes, key=abs)[-_MOST:])
        axes.axvline(0, color=NOW, linewidth=0.8, zorder=1)
        axes.set_yticks(range(len(families)), [family.value for family in families])
        axes.set_ylim(len(families) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("change of edge risk, %")
        axes.xaxis.set_major_formatter(plain_number)
        axes.locator_params(axis="x", nbins=6)
        axes.margins(x=0.08)
        axes.grid(axis="x", color=GRID, zorder=0)
        figure.legend(handles=_legend(), loc="outside lower center", ncols=2, frameon=False)
        return inline_svg(figure, "edges", "change of edge risk of every family and module, with the band")


def _draw_row(axes: Axes, row: int, family: Family, edge: FamilyEdge, changes: Sequence[float]) -> None:
    band = 100 * edge.epsilon
    axes.fill_between([-band, band], row - 0.36, row + 0.36, color=GRID, linewidth=0, zorder=0.5)
    axes.vlines(band, row - 0.36, row + 0.36, color=RECOMMENDED, linewidth=1.6, zorder=2)
    places = [row + 0.22 * ((i % 3) - 1) for i in range(len(changes))]
    axes.scatter(changes, places, s=12, color=FAMILY_COLOURS[family], alpha=0.75, linewidths=0, zorder=3)
    axes.scatter(
        [100 * edge.delta], [row], s=62, marker="D", color=FAMILY_COLOURS[family], edgecolors=INK, zorder=4
    )


def _legend() -> Sequence[Line2D | Patch]:
    return [
        Line2D(
            [], [], color=BEFORE, linestyle="", marker="D", markersize=7, mec=INK, label="family (judged)"
        ),
        Line2D([], [], color=RECOMMENDED, label="limit: + epsilon"),
        Line2D([], [], color=BEFORE, linestyle="", marker="o", markersize=4, label="a module"),
        Patch(color=GRID, label="within epsilon"),
    ]
