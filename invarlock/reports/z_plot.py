"""|z| by module and family beside the caps: what a reviewer looks at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from invarlock.families import Family
from invarlock.guards.spectral_metrics import JudgedModule
from invarlock.reports.figure_files import (
    FAMILY_COLOURS,
    GRID,
    NOW,
    RECOMMENDED,
    image_files,
    plot_style,
)


def plot_z(
    modules: Sequence[JudgedModule],
    current: Mapping[Family, float],
    recommended: Mapping[Family, float],
    title: str,
) -> Mapping[str, bytes]:
    """The plot as SVG and PNG, by file ending. Equal input gives equal bytes."""
    with plot_style():
        figure = Figure(figsize=(8, 4.2), layout="constrained")
        axes = figure.add_subplot()
        present = [family for family in Family if any(module.family is family for module in modules)]
        for x, family in enumerate(present):
            values = sorted(abs(module.z) for module in modules if module.family is family)
            step = 0.6 / max(len(values) - 1, 1)
            places = [x - 0.3 + step * i if len(values) > 1 else x for i in range(len(values))]
            axes.scatter(places, values, s=18, color=FAMILY_COLOURS[family], zorder=3)
            if family in current:
                axes.hlines(current[family], x - 0.42, x + 0.42, color=NOW, linestyle="--", linewidth=1.4)
            if family in recommended:
                axes.hlines(recommended[family], x - 0.42, x + 0.42, color=RECOMMENDED, linewidth=1.8)
        axes.plot([], [], color=NOW, linestyle="--", label="kappa now")
        axes.plot([], [], color=RECOMMENDED, label="kappa recommended")
        axes.set_xticks(range(len(present)), [family.value for family in present])
        axes.set_ylabel("|z| of sigma_max within its family")
        axes.set_ylim(bottom=-0.05)
        axes.set_title(title, loc="left", fontsize=10)
        axes.grid(axis="y", color=GRID, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper right")
        return image_files(figure)
