import io

import pytest
from matplotlib.image import imread

from invarlock.calibration.window_plan import plan_windows
from invarlock.metrics.paired_windows import PairedLosses
from invarlock.reports.window_plot import plot_windows


def plan(sigma=0.01, *, one_sided=True, target=0.001):
    deltas = tuple([-sigma, sigma] * 100)
    return plan_windows(
        PairedLosses(deltas=deltas, tokens=(127,) * 200, mean=0.0),
        profiles={"ci": 240, "release": 400},
        available=1000,
        one_sided=one_sided,
        floor=180,
        replicates=1200,
        seed=0,
        target=target,
    )


def drawn(**changes):
    plans = {"balanced": plan(**changes), "conservative": plan(**{"one_sided": False, **changes})}
    return plot_windows(plans, "what windows give")


def test_equal_plans_give_equal_bytes_and_other_plans_another_picture():
    first, again = drawn(), drawn()
    assert first == again
    assert len({first["svg"], drawn(sigma=0.02)["svg"], drawn(target=0.002)["svg"]}) == 3
    assert imread(io.BytesIO(first["png"])).std() > 0


@pytest.mark.parametrize(("sigma", "said"), [(0.01, False), (0.1, True)])
def test_a_recommendation_beyond_the_axis_is_said(sigma, said):
    assert (b"off the chart" in plot_windows({"balanced": plan(sigma)}, "far")["svg"]) is said
