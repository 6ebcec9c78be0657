"""Numbers as sentences and tables show them: few digits, but never so few that two that differ look equal."""

from __future__ import annotations

from collections.abc import Sequence

_DIGITS, _ENOUGH = 5, 17  # significant; 17 tell any two floats apart


def number(value: float, digits: int = _DIGITS) -> str:
    """``value`` in ``digits`` significant digits; whole numbers below 10^15 in full, by thousands.

    >>> number(1.0123456), number(61440), number(0.0)
    ('1.0123', '61,440', '0')
    """
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.{digits}g}"


def apart(first: float, second: float) -> tuple[str, str]:
    """Both numbers in as many digits as it takes to tell one from the other.

    >>> apart(1.1020004, 1.102)
    ('1.1020004', '1.102')
    """
    for digits in range(_DIGITS, _ENOUGH):
        texts = number(first, digits), number(second, digits)
        if texts[0] != texts[1] or first == second:
            return texts
    return number(first, _ENOUGH), number(second, _ENOUGH)


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """``1 module``, ``1,200 modules``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
