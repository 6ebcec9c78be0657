"""False censoring, false acceptance and bottom against tau: what each threshold would do, and which is recommended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from invarlock.reports.figure_files import GRID, RECOMMENDED, image_files, plot_style
from invarlock.tau.recommendation_record import TauRecommendation
from invarlock.tau.sweep_record import Rates, TauSweep

_FN, _FP, _BOTTOM = "#2b6cb0", "#c05621", "#718096"
_SMALL = 0.01  # a share that should be seen where none was required


def plot_tau(sweep: TauSweep, found: TauRecommendation | None, title: str) -> Mapping[str, bytes]:
    """The plot as SVG and PNG, by file ending. Equal input, equal bytes.

    found: what was recommended from the same samples; None where nothing was asked for.
    """
    with plot_style():
        return image_files(tau_figure(sweep, found, title))


def tau_figure(sweep: TauSweep, found: TauRecommendation | None, title: str) -> Figure:
    """What :func:`plot_tau` renders."""
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    axes = figure.add_subplot()
    _draw_curves(axes, sweep)
    if found is not None:
        _draw_choice(axes, found)
    axes.set_xscale("log")
    _scale_shares(axes, _SMALL if found is None else found.requirement.max_fp)
    axes.set_xlabel("tau_infer, in units of |Q|")
    axes.grid(color=GRID, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(handles=_legend(found), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _scale_shares(axes: Axes, small: float) -> None:
    """Linear from 0 to ``small``, logarithmic above: what is required lies far from 0, and a share of 0 has a place."""
    axes.set_yscale("symlog", linthresh=small, linscale=0.6)
    axes.set_ylim(-0.08 * small, 1.15)
    decades = [10.0**power for power in range(math.ceil(math.log10(small)), 1)]
    ticks = sorted({0.0, small / 2, small, *(share for share in decades if share > 1.5 * small)})
    axes.set_yticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylabel(f"share of the samples; linear up to {small:g}")


def _draw_curves(axes: Axes, sweep: TauSweep) -> None:
    order = sorted(range(len(sweep.taus)), key=lambda place: sweep.taus[place])
    taus = [sweep.taus[place] for place in order]

    def curve(rates: Rates, colour: str, line: str) -> None:
        shown = [rate for place in order if (rate := rates[place]) is not None]
        if shown:  # a rate without samples is null at every tau
            axes.plot(taus, shown, color=colour, linestyle=line, marker="o", markersize=2.5, zorder=3)

    curve(sweep.bottom_rate, _BOTTOM, ":")
    curve(sweep.fn_in, _FN, "-")
    curve(sweep.fp_cens, _FP, "-")
    intervals = [each for place in order if (each := sweep.fp_cens_interval[place]) is not None]
    if intervals:
        low, high = zip(*intervals, strict=True)
        axes.fill_between(taus, low, high, color=_FP, alpha=0.2, linewidth=0, zorder=2)


def _draw_choice(axes: Axes, found: TauRecommendation) -> None:
    axes.axhline(found.requirement.max_fp, color=RECOMMENDED, linewidth=1.2, linestyle="--", zorder=2)
    if found.tau_infer is not None:
        axes.axvline(found.tau_infer, color=RECOMMENDED, linewidth=1.6, zorder=2)
    else:
        note = f"no tau recommended: {found.status.value}"
        axes.set_title(note, loc="right", fontsize=9, color=RECOMMENDED)


def _legend(found: TauRecommendation | None) -> Sequence[Line2D]:
    lines = [
        Line2D([], [], color=_FN, label="fn_in: false censoring"),
        Line2D([], [], color=_FP, label="fp_cens: false acceptance, 95 %"),
        Line2D([], [], color=_BOTTOM, linestyle=":", label="bottom_rate"),
    ]
    if found is None:
        return lines
    required = f"required: fp_cens <= {found.requirement.max_fp:g}"
    lines.append(Line2D([], [], color=RECOMMENDED, linestyle="--", label=required))
    if found.tau_infer is not None:
        lines.append(Line2D([], [], color=RECOMMENDED, label=f"recommended: {found.tau_infer:.4g}"))
    return lines
