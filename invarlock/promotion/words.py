"""Words of people, taken as they were said, unless somebody who reads them could take them for something else."""

from __future__ import annotations

from invarlock.errors import PromotionError

# What is printable and shows nothing: default-ignorable code points of Unicode 16 that are marks or letters (of those
# in category Cf or without one, `isprintable` says no), and the blank pattern of Braille.
_INVISIBLE = frozenset(
    chr(point)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180D),
        (0x180F, 0x180F),
        (0x2800, 0x2800),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xE0100, 0xE01EF),
    )
    for point in range(first, last + 1)
)
_SHOWN = 80  # characters of what is refused


def said(words: str, what: str) -> str:
    """``words`` without blanks around them. PromotionError when nothing is left, or a terminal would act on it."""
    stripped = words.replace("\r\n", "\n").strip()
    if not stripped or not all(line.isprintable() for line in stripped.split("\n")):
        raise refused(f"{what} is missing or holds control characters", words, f"give {what} in words")
    return stripped


def said_name(name: str, what: str) -> str:
    """As :func:`said`, on one line: a second one could pass for something that the product says.

    Refused too is what cannot be seen: two names that look the same are one.
    """
    stripped = said(name, what)
    if "\n" in stripped:
        raise refused(f"{what} is more than one line", name, f"give {what} on one line")
    unseen = sorted(_INVISIBLE.intersection(stripped))
    if unseen:
        points = ", ".join(f"U+{ord(each):04X}" for each in unseen)
        raise refused(f"{what} holds characters that nobody sees: {points}", name, "leave them out")
    return stripped


def refused(why: str, words: str, fix: str) -> PromotionError:
    """The refusal of ``words``, shown so that each character of them is seen."""
    return PromotionError(why, where=ascii(words)[:_SHOWN], fix=fix)
