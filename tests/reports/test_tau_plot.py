import io

import pytest
from matplotlib.image import imread

from invarlock.reports.tau_plot import plot_tau, tau_figure
from invarlock.tau.recommend import recommend_tau_infer
from invarlock.tau.requirement import Requirement
from invarlock.tau.samples import samples_of
from invarlock.tau.sweep import count_taus
from invarlock.tau.sweep_record import sweep_of
from tests.calibration.tau_samples import drawn

TAUS = [1e-3, 1e-2, 1e-1, 1.0]


def pictures(n=1000, seed=0, taus=TAUS, asked=0.05):
    samples = samples_of(*drawn(n, seed))
    found = None if asked is None else recommend_tau_infer(samples, Requirement(asked))
    return plot_tau(sweep_of(count_taus(samples, taus)), found, "a head")


def test_equal_sweeps_give_equal_bytes_and_others_another_picture():
    first = pictures()
    assert first == pictures()
    others = (pictures(seed=1), pictures(asked=0.1), pictures(asked=None), pictures(taus=TAUS[:3]))
    assert len({first["svg"], *(other["svg"] for other in others)}) == 5
    assert imread(io.BytesIO(first["png"])).std() > 0


def test_the_order_of_the_taus_draws_nothing_else():
    assert pictures(taus=TAUS[::-1]) == pictures()


def test_requirement_and_recommendation_are_drawn_or_why_there_is_none():
    assert b"recommended: " in pictures()["svg"]
    assert b"required: fp_cens &lt;= 0.05" in pictures()["svg"]
    assert b"no tau recommended: insufficient_data" in pictures(n=20)["svg"]


@pytest.mark.parametrize("asked", [0.3, 0.01, 0.0005])
def test_a_requirement_lies_far_from_0(asked):
    samples = samples_of(*drawn(1000, 0))
    found = recommend_tau_infer(samples, Requirement(asked))
    (axes,) = tau_figure(sweep_of(count_taus(samples, TAUS)), found, "a head").axes
    heights = axes.transAxes.inverted().transform(axes.transData.transform([(1, 0), (1, asked), (1, 1)]))[
        :, 1
    ]
    assert 0 <= heights[0] < heights[0] + 0.1 < heights[1] < heights[1] + 0.1 < heights[2] <= 1
    assert {"0", f"{asked:g}", "1"} <= {label.get_text() for label in axes.get_yticklabels()}


def test_a_class_without_samples_has_no_curve():
    samples = samples_of([0.1, 0.2], [True, True])
    assert plot_tau(sweep_of(count_taus(samples, [0.15])), None, "one class")["png"]
