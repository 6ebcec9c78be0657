from __future__ import annotations

import numpy as np

from invarlock.tau.benchmark.assay import draw_readings


def test_half_is_in_range_and_both_sides_are_censored() -> None:
    samples = draw_readings(0, "training", 8_000)
    shares = [float(np.mean(samples.side == side)) for side in (-1, 0, 1)]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.02)
    assert samples.features.shape == (8_000, 3)
    assert samples.features.dtype == samples.log_dose.dtype == np.float32


def test_labels_are_those_of_the_response_without_noise() -> None:
    samples = draw_readings(0, "training", 8_000)
    theta = 1 / (1 + (10.0**samples.log_dose) ** -samples.features[:, 1])
    inside = samples.is_in_range
    assert theta[inside].min() >= 0.05 - 1e-4
    assert theta[inside].max() <= 0.95 + 1e-4
    assert theta[samples.side < 0].max() <= 0.025
    assert theta[samples.side > 0].min() >= 0.975
    # The reading follows the response, through noise and a reader that saturates.
    assert np.corrcoef(theta, samples.features[:, 0])[0, 1] > 0.99


def test_streams_are_reproducible_and_apart() -> None:
    one, again = draw_readings(3, "training", 50), draw_readings(3, "training", 50)
    assert all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(again).values(), strict=True))
    for other in (draw_readings(4, "training", 50), draw_readings(3, "held_out", 50)):
        assert not np.array_equal(one.features, other.features)
        assert not set(one.ids) & set(other.ids)
