from __future__ import annotations

import pytest

from invarlock.reports.number_text import apart, counted, listed, number


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0123456, "1.0123"), (61440.0, "61,440"), (-3, "-3"), (0.0, "0"), (1e-9, "1e-09"), (1e20, "1e+20")],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("gap", [10.0**-power for power in range(1, 16)])
def test_two_numbers_that_differ_look_different(gap: float) -> None:
    above, limit = apart(1.102 + gap, 1.102)
    assert above != limit
    assert float(above) > float(limit)


def test_equal_numbers_look_equal() -> None:
    assert apart(1.1, 1.1) == ("1.1", "1.1")


def test_words() -> None:
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert [counted(1, "matrix", "matrices"), counted(1200, "matrix", "matrices"), counted(0, "gate")] == [
        "1 matrix",
        "1,200 matrices",
        "0 gates",
    ]
