import pytest

from invarlock.calibration.change import Change, change_of
from invarlock.policy.keys import Relaxes


@pytest.mark.parametrize(
    ("now", "new", "relaxes", "change"),
    [
        (0.01, 0.02, Relaxes.RAISED, Change.LOOSENS),
        (0.01, 0.005, Relaxes.RAISED, Change.TIGHTENS),
        (0.01, 0.005, Relaxes.LOWERED, Change.LOOSENS),
        (0.01, 0.02, Relaxes.LOWERED, Change.TIGHTENS),
        (0.01, 0.01, Relaxes.RAISED, Change.KEEPS),
    ],
)
def test_what_a_new_value_does_to_its_gate(now, new, relaxes, change):
    assert change_of(now, new, relaxes) is change
