import pytest

from invarlock.errors import DataError
from invarlock.gates.pairing import ArmWindows, require_pairing
from invarlock.measure.records import WindowHits, WindowLoss


def losses(ids, tokens=10):
    return [WindowLoss(window_id=each, nll=1.0, tokens=tokens) for each in ids]


BASELINE = ArmWindows(preview=losses("abc"), final=losses("defgh"))


def test_the_same_windows_pair_perfectly():
    stats = require_pairing(ArmWindows(losses("abc"), losses("defgh")), BASELINE)
    assert (stats.match_fraction, stats.overlap_fraction) == (1.0, 0.0)
    assert (stats.preview_windows, stats.final_windows) == (3, 5)


def test_hits_pair_with_hits():
    hits = [WindowHits(window_id=each, tokens=10, hits=1) for each in "ab"]
    assert require_pairing(ArmWindows(hits[:1], hits[1:]), ArmWindows(hits[:1], hits[1:])).final_windows == 1


@pytest.mark.parametrize(
    ("preview", "final", "fraction", "named"),
    [
        ("abc", "defgx", "0.875", "windows x, h"),
        ("abc", "defg", "0.875", "windows h"),
        ("abcz", "defgh", "0.888889", "windows z"),
        ("acb", "defgh", "0.75", "windows c, b"),
        ("", "", "none", None),
    ],
)
def test_windows_that_do_not_pair_are_named_with_the_fraction(preview, final, fraction, named):
    message = "no preview or no final" if fraction == "none" else f"only a fraction {fraction} of the windows"
    with pytest.raises(DataError, match=message) as caught:
        require_pairing(ArmWindows(losses(preview), losses(final)), BASELINE)
    assert caught.value.where == named


def test_other_token_counts_do_not_pair():
    with pytest.raises(DataError, match=r"only a fraction 0\.625"):
        require_pairing(ArmWindows(losses("abc", tokens=9), losses("defgh")), BASELINE)


def test_a_window_in_preview_and_final_overlaps():
    both = ArmWindows(losses("abc"), losses("cdeff"))
    with pytest.raises(DataError, match=r"a fraction 0\.25 of the windows repeats another") as caught:
        require_pairing(both, both)
    assert caught.value.where == "windows c, f"
