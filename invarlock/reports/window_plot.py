"""Half-width against windows: what the curve, the profiles, the floor and the target say of a tier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from invarlock.calibration.window_plan_records import WindowPlan
from invarlock.reports.figure_files import GRID, NOW, RECOMMENDED, image_files, plain_number, plot_style

_HALF_WIDTH, _BOOTSTRAP, _PROFILE = "#2b6cb0", "#90cdf4", "#c05621"
_KNEE: Mapping[str, Any] = MappingProxyType(  # a ring, as a profile may be at the same place
    {"marker": "o", "markersize": 11, "markerfacecolor": "none", "color": _HALF_WIDTH, "linestyle": ""}
)


def plot_windows(plans: Mapping[str, WindowPlan], title: str) -> Mapping[str, bytes]:
    """The plot as SVG and PNG, by file ending: a panel a tier, in the order of ``plans``. Equal input, equal bytes."""
    top = 1.1 * max(_largest(plan) for plan in plans.values())
    with plot_style():
        figure = Figure(figsize=(2.2 + 2.9 * max(len(plans), 2), 4.6), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        panels = figure.subplots(1, len(plans), sharex=True, sharey=True, squeeze=False)[0]
        for panel, (tier, plan) in zip(panels, plans.items(), strict=True):
            _draw_panel(panel, plan, top)
            panel.set_title(f"{tier} ({'one' if plan.one_sided else 'two'}-sided)", loc="left", fontsize=9)
            panel.set_xlabel("final windows")
        panels[0].set_ylabel("half-width, nats per token")
        figure.legend(handles=_legend(), loc="outside lower center", ncols=3, frameon=False)
        return image_files(figure)


def _largest(plan: WindowPlan) -> float:
    points = (*plan.curve, *plan.profiles.values())
    return max(width for point in points for width in (point.half_width, point.bca_half_width or 0.0))


def _draw_panel(axes: Axes, plan: WindowPlan, top: float) -> None:
    axes.plot(
        [point.windows for point in plan.curve],
        [point.half_width for point in plan.curve],
        color=_HALF_WIDTH,
        linewidth=1.6,
        zorder=3,
    )
    measured = [(p.windows, p.bca_half_width) for p in plan.curve if p.bca_half_width is not None]
    axes.scatter([x for x, _ in measured], [y for _, y in measured], s=16, color=_BOOTSTRAP, zorder=2.8)
    for name, point in plan.profiles.items():
        axes.plot([point.windows], [point.half_width], "s", color=_PROFILE, markersize=5, zorder=4)
        axes.annotate(
            name,
            (point.windows, point.half_width),
            xytext=(4, 5),
            textcoords="offset points",
            color=_PROFILE,
            fontsize=8,
            zorder=4,
        )
    (knee,) = (point for point in plan.curve if point.windows == plan.knee)
    axes.plot([knee.windows], [knee.half_width], **_KNEE, zorder=5)
    axes.axvline(plan.floor, color=NOW, linestyle="--", linewidth=1.2, zorder=1.5)
    if plan.target_half_width <= top:
        axes.axhline(plan.target_half_width, color=RECOMMENDED, linewidth=1.6, zorder=2)
    if plan.recommended.windows <= plan.curve[-1].windows:
        axes.axvline(plan.recommended.windows, color=RECOMMENDED, linestyle=":", linewidth=1.6, zorder=2)
    else:
        note = f"{plan.recommended.windows:,} windows recommended:\noff the chart →"
        axes.text(0.98, 0.97, note, ha="right", va="top", transform=axes.transAxes, color=RECOMMENDED)
    axes.set_xlim(0, 1.04 * plan.curve[-1].windows)
    axes.set_ylim(0, top)
    axes.yaxis.set_major_formatter(plain_number)
    axes.grid(axis="y", color=GRID, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def _legend() -> Sequence[Line2D]:
    return [
        Line2D([], [], color=_HALF_WIDTH, label="half-width, z σ / √n"),
        Line2D([], [], color=_BOOTSTRAP, marker="o", markersize=4, linestyle="", label="by bootstrap (BCa)"),
        Line2D([], [], color=_PROFILE, marker="s", markersize=5, linestyle="", label="run profile"),
        Line2D([], [], color=RECOMMENDED, label="target"),
        Line2D([], [], color=RECOMMENDED, linestyle=":", label="windows recommended"),
        Line2D([], [], color=NOW, linestyle="--", label="floor of the tier"),
        Line2D([], [], label="knee: more buy little beyond", **_KNEE),
    ]
