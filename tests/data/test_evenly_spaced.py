import pytest

from invarlock.data.evenly_spaced import evenly_spaced
from invarlock.errors import DataError


def test_both_ends_and_even_steps():
    assert evenly_spaced(240, 8) == (0, 34, 68, 102, 137, 171, 205, 239)  # steps of 239 / 7 = 34.14
    assert evenly_spaced(9, 5) == (0, 2, 4, 6, 8)


def test_a_tie_goes_to_the_even_neighbour():
    assert evenly_spaced(4, 3) == (0, 2, 3)  # 1.5
    assert evenly_spaced(6, 3) == (0, 2, 5)  # 2.5


def test_eight_never_meet_a_tie():
    assert not any(
        (2 * i * (n - 1)) % 7 == 0 and (2 * i * (n - 1) // 7) % 2 for n in range(8, 500) for i in range(8)
    )


@pytest.mark.parametrize("wanted", [1, 2, 5, 8])
def test_indices_are_distinct_and_in_order(wanted):
    for available in range(1, 60):
        found = evenly_spaced(available, wanted)
        assert list(found) == sorted(set(found))
        assert len(found) == min(wanted, available)
        assert found[0] == 0
        assert found[-1] == (available - 1 if len(found) > 1 else 0)


def test_nothing_to_choose_from_is_an_error():
    for available, wanted in ((0, 8), (8, 0)):
        with pytest.raises(DataError, match=f"{wanted} windows of {available}"):
            evenly_spaced(available, wanted)
