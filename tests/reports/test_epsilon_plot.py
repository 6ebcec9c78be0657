import io

import pytest
from matplotlib.image import imread

from invarlock.families import Family
from invarlock.reports.epsilon_plot import EpsilonPanel, plot_epsilon


def panel(tier="balanced", *, largest=0.03, now=0.01):
    return EpsilonPanel(
        tier=tier,
        deltas={Family.FFN: [-0.02, 0.004, largest], Family.EMBED: [0.0, 0.0, 0.0]},
        now={Family.FFN: now, Family.EMBED: now},
        recommended={Family.FFN: largest},
    )


def test_equal_input_gives_equal_bytes_and_other_input_another_picture():
    first, again, other = (plot_epsilon([panel(largest=value)], "deltas") for value in (0.03, 0.03, 0.031))
    assert first == again
    assert other["png"] != first["png"]
    assert imread(io.BytesIO(first["png"])).shape[0] > 300


@pytest.mark.parametrize(("now", "written"), [(0.01, False), (0.5, True)])
def test_a_band_far_off_is_written_and_does_not_flatten_the_points(now, written):
    assert ("0.5 ↑" in plot_epsilon([panel(now=now)], "deltas")["svg"].decode()) is written
