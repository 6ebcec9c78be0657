"""|z| of every module of a subject by family, beside its baseline's and the caps: which module stands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from invarlock.families import Family
from invarlock.guards.spectral_metrics import FamilyStatistics, JudgedModule
from invarlock.reports.figure_files import FAMILY_COLOURS, GRID, RECOMMENDED
from invarlock.reports.inline_svg import BEFORE, INK, inline_style, inline_svg, new_figure

DOTS = 72  # modules drawn of a family: with more, pictures get heavy and dots hide each other
_WORST = 32  # of those, the largest |z|; the others are evenly spaced


def plot_module_z(
    modules: Sequence[JudgedModule],
    families: Mapping[Family, FamilyStatistics],
    kappa: Mapping[Family, float],
    numbered: Sequence[JudgedModule],
) -> Markup:
    """An ``<svg>``. In each family modules go from left to right in the model's order.

    families: the baseline's statistics, which its own |z| is made from; numbered: modules that get their place in this
    list, from 1, beside the dot.
    """
    present = [family for family in Family if family in families]
    places = {
        module.name: x
        for position, family in enumerate(present)
        for module, x in _spread(_thinned([m for m in modules if m.family is family]), position)
    }
    shown = [module for module in modules if module.name in places]
    with inline_style():
        figure = new_figure(3.5)
        axes = figure.add_subplot()
        before = [_baseline_z(module, families[module.family]) for module in shown]
        axes.scatter(
            [places[m.name] for m in shown], before, s=22, facecolors="none", edgecolors=BEFORE, zorder=2
        )
        for position, family in enumerate(present):
            own = [module for module in shown if module.family is family]
            axes.scatter(
                [places[module.name] for module in own],
                [abs(module.z) for module in own],
                s=16,
                color=FAMILY_COLOURS[family],
                zorder=3,
            )
            axes.hlines(kappa[family], position - 0.42, position + 0.42, color=RECOMMENDED, linewidth=1.6)
        _number(axes, numbered, places)
        axes.set_xticks(range(len(present)), [family.value for family in present])
        axes.set_xlim(-0.5, len(present) - 0.5)
        axes.set_ylabel("|z|")
        axes.set_ylim(bottom=-0.05)
        axes.grid(axis="y", color=GRID, zorder=0)
        figure.legend(handles=_legend(), loc="outside lower center", ncols=3, frameon=False)
        return inline_svg(figure, "z", "absolute z-score of every module, by family, with each family's cap")


def _thinned(modules: Sequence[JudgedModule]) -> Sequence[JudgedModule]:
    """At most ``DOTS``, the largest |z| among them, in the model's order."""
    if len(modules) <= DOTS:
        return modules
    ranked = sorted(modules, key=lambda module: -abs(module.z))
    others = ranked[_WORST:]
    kept = {*ranked[:_WORST], *others[:: -(-len(others) // (DOTS - _WORST))]}
    return [module for module in modules if module in kept]


def _spread(modules: Sequence[JudgedModule], position: int) -> Sequence[tuple[JudgedModule, float]]:
    step = 0.64 / max(len(modules) - 1, 1)
    left = position - 0.32 if len(modules) > 1 else position
    return [(module, left + step * i) for i, module in enumerate(modules)]


def _baseline_z(module: JudgedModule, statistics: FamilyStatistics) -> float:
    if statistics.std == 0:
        return 0.0
    return abs(module.sigma_base - statistics.mean) / statistics.std


def _number(axes: Axes, numbered: Sequence[JudgedModule], places: Mapping[str, float]) -> None:
    for number, module in enumerate(numbered, 1):
        if module.name in places:
            at = (places[module.name], abs(module.z))
            axes.annotate(
                str(number), at, xytext=(4, 3), textcoords="offset points", color=INK, fontweight="bold"
            )


def _legend() -> Sequence[Line2D]:
    return [
        Line2D([], [], color=INK, linestyle="", marker="o", markersize=4, label="subject"),
        Line2D([], [], color=BEFORE, linestyle="", marker="o", markersize=5, mfc="none", label="baseline"),
        Line2D([], [], color=RECOMMENDED, label="cap (kappa)"),
    ]
