import io

import pytest
from matplotlib.image import imread

from invarlock.calibration.ve_records import PowerPoint
from invarlock.reports.figure_files import plain_number
from invarlock.reports.gain_plot import plot_gains
from invarlock.reports.power_plot import plot_power

CURRENT = {"balanced": 0.0, "conservative": 0.016}
RECOMMENDED = {"balanced": 0.000123, "conservative": 0.0}
GAINS = {"balanced": [0.0, 0.0, 0.0001, 0.00021], "conservative": [0.0] * 7}


def curve(width):
    """Two tiers; the conservative one was never evaluated."""
    return [
        *(
            PowerPoint(
                tier="balanced",
                windows=n,
                runs=3,
                mean_ci_width=2 * width / n,
                sigma_hat=width,
                half_width=width / n,
            )
            for n in (6, 16)
        ),
        *(
            PowerPoint(
                tier="conservative",
                windows=n,
                runs=0,
                mean_ci_width=None,
                sigma_hat=None,
                half_width=None,
            )
            for n in (6, 16)
        ),
    ]


def power(width=0.002, title="what the gate resolves"):
    return plot_power(curve(width), CURRENT, RECOMMENDED, title)


def gains(values=GAINS, title="gains of the runs"):
    return plot_gains(values, CURRENT, RECOMMENDED, title)


@pytest.mark.parametrize(
    ("draw", "other"),
    [
        (power, lambda: power(0.003)),
        (gains, lambda: gains(GAINS | {"conservative": [0.0] * 6 + [0.0001]})),
    ],
)
def test_equal_input_gives_equal_bytes_and_other_input_another_picture(draw, other):
    first, again, changed = draw(), draw(), other()
    assert first == again
    assert set(first) == {"svg", "png"}
    assert (imread(io.BytesIO(first["png"])) < 1).any()
    assert all(changed[ending] != first[ending] for ending in first)


def text_of(svg):
    """matplotlib writes each text as a comment beside its glyphs."""
    return svg.decode()


def test_power_plot_says_what_is_off_the_chart_and_what_was_not_measured():
    svg = text_of(power()["svg"])
    for words in (
        "balanced",
        "conservative",
        "nats per token",
        "calibration windows",
        "min_effect recommended",
    ):
        assert f"<!-- {words} -->" in svg
    assert svg.count("<!-- no run has an interval -->") == 1
    assert svg.count("<!-- now 0.016: off the chart ↑ -->") == 1


def test_gain_plot_counts_the_runs_without_a_gain_and_those_that_pass():
    svg = text_of(gains()["svg"])
    for words in ("balanced", "conservative", "2 no gain", "7 no gain"):
        assert f"<!-- {words} -->" in svg
    assert "<!-- 1 of 4 runs pass the recommended 0.000123 -->" in svg
    assert "<!-- 0 of 7 runs pass the recommended 0; now 0.016: off the chart → -->" in svg


def test_a_tier_for_which_nothing_is_recommended_has_no_line():
    measured = {"balanced": RECOMMENDED["balanced"]}
    with_lines = [plot["svg"].count(b"#c53030") for plot in (power(), gains())]
    svgs = [
        plot_power(curve(0.002), CURRENT, measured, "t")["svg"],
        plot_gains(GAINS, CURRENT, measured, "t")["svg"],
    ]
    assert [svg.count(b"#c53030") for svg in svgs] == [count - 1 for count in with_lines]
    assert "<!-- nothing measured; now 0.016: off the chart → -->" in text_of(svgs[1])


def test_plots_of_nothing():
    empty = plot_gains({"balanced": [0.0]}, {"balanced": 0.0}, {"balanced": 0.0}, "none")
    assert "<!-- 1 no gain -->" in text_of(empty["svg"])
    nothing = plot_power([], {"balanced": 0.0}, {"balanced": 0.0}, "none")
    assert "<!-- no run has an interval -->" in text_of(nothing["svg"])


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (5e-05, "0.00005"), (0.016, "0.016"), (1e-6, "0.000001")]
)
def test_numbers_have_no_exponent(value, text):
    assert plain_number(value) == text
