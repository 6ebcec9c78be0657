"""``synthetic``: seeded text of made-up words with natural frequencies, for tests and dry runs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from invarlock.data.documents import Document

_DOCUMENTS = 256
_SENTENCES = 24
_WORDS = 2000
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


def read_synthetic(seed: int) -> Iterator[Document]:
    """256 documents of 24 sentences; word frequencies follow Zipf's law. Equal seeds give equal text."""
    random = np.random.default_rng(seed)
    words = ["".join(random.choice(_SYLLABLES, size=random.integers(1, 5))) for _ in range(_WORDS)]
    frequencies = 1 / np.arange(1, _WORDS + 1)
    frequencies /= frequencies.sum()
    for number in range(_DOCUMENTS):
        drawn = [
            " ".join(
                words[index] for index in random.choice(_WORDS, size=random.integers(5, 20), p=frequencies)
            )
            for _ in range(_SENTENCES)
        ]
        yield Document(
            f"synthetic/{seed}/{number}", " ".join(f"{sentence.capitalize()}." for sentence in drawn)
        )
