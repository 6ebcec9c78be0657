from __future__ import annotations

import numpy as np
import pytest

from invarlock.errors import DataError, MeasurementError
from invarlock.measure.branch_records import BranchMoments
from invarlock.measure.records import WindowLoss
from invarlock.metrics.paired_windows import pair_losses, require_same_windows

ARMS = ("B", "A")


def losses(*values: float, tokens: int = 10) -> list[WindowLoss]:
    return [WindowLoss(window_id=f"w{i}", nll=value, tokens=tokens + i) for i, value in enumerate(values)]


def test_deltas_are_of_means_and_their_mean_is_weighted_by_tokens() -> None:
    pairs = pair_losses(losses(30.0, 22.0, 24.0), losses(20.0, 33.0, 12.0), arms=ARMS)
    assert pairs.tokens == (10, 11, 12)
    np.testing.assert_allclose(pairs.deltas, [1.0, -1.0, 1.0])
    assert pairs.mean == pytest.approx(np.average(pairs.deltas, weights=pairs.tokens))


def test_no_windows_have_no_mean() -> None:
    assert pair_losses([], [], arms=ARMS).mean is None


@pytest.mark.parametrize(
    ("second", "named"),
    [
        (losses(1.0, 2.0), "windows w2"),  # one is missing
        (losses(1.0, 2.0, 3.0)[::-1], "windows w0, w2"),  # another order
        (losses(1.0, 2.0, 3.0, tokens=9), "windows w0, w1, w2"),  # other token counts
        ([], "windows w0, w1, w2"),
    ],
)
def test_arms_on_other_windows_are_an_error_that_names_them(second: list[WindowLoss], named: str) -> None:
    with pytest.raises(DataError, match="B and A were not evaluated on the same windows") as caught:
        pair_losses(losses(1.0, 2.0, 3.0), second, arms=ARMS)
    assert caught.value.where == named


def test_a_window_that_is_there_twice_is_an_error_that_names_it() -> None:
    again = losses(1.0, 2.0, 3.0)
    again += [again[1], again[0], again[1]]
    with pytest.raises(DataError, match="B and A were evaluated on a window more than once") as caught:
        pair_losses(again, again, arms=ARMS)
    assert caught.value.where == "windows w0, w1"


def test_many_differing_windows_are_counted() -> None:
    with pytest.raises(DataError) as caught:
        pair_losses(losses(*range(9)), [], arms=ARMS)
    assert caught.value.where == "windows w0, w1, w2, w3, w4, w5 and 3 more"


def test_moments_pair_with_moments() -> None:
    moments = [BranchMoments(window_id="w", tokens=4, second_moments={}, positions={})]
    require_same_windows(moments, moments, arms=ARMS)
    with pytest.raises(DataError, match="same windows"):
        require_same_windows(moments, [], arms=ARMS)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(("arm", "where"), [(0, "B"), (1, "A")])
def test_a_loss_that_is_not_finite_is_an_error_with_arm_and_window(
    value: float, arm: int, where: str
) -> None:
    sides = [losses(1.0, 2.0, 3.0), losses(1.0, 2.0, 3.0)]
    # A record refuses such a value when it is made; one that was never checked must not slip through.
    sides[arm][1] = WindowLoss.model_construct(window_id="w1", nll=value, tokens=11)
    with pytest.raises(MeasurementError, match=f"a loss of {where} is not finite") as caught:
        pair_losses(*sides, arms=ARMS)
    assert caught.value.where == "windows w1"


def test_a_window_without_predicted_tokens_is_an_error() -> None:
    with pytest.raises(MeasurementError, match="over no token"):
        pair_losses(losses(1.0, tokens=0), losses(1.0, tokens=0), arms=ARMS)
