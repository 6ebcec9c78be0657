from __future__ import annotations

import numpy as np
import pytest

from invarlock.data.masking import IGNORED, mask_window
from invarlock.data.windows import Window, make_window
from invarlock.errors import DataError

MASK, VOCABULARY, SPECIAL = 4, 1000, [0, 1, 2, 3, 4]


def windows(count: int, length: int) -> list[Window]:
    random = np.random.default_rng(0)
    return [make_window(random.integers(5, VOCABULARY, size=length)) for _ in range(count)]


def masked(window: Window) -> tuple[np.ndarray, np.ndarray]:
    return mask_window(window, mask_id=MASK, vocab_size=VOCABULARY, special_ids=SPECIAL)


def test_rates() -> None:
    drawn = windows(2000, 128)
    tokens = np.stack([window.tokens for window in drawn])
    inputs, labels = (np.stack(side) for side in zip(*map(masked, drawn), strict=True))
    chosen = labels != IGNORED
    n = int(chosen.sum())

    def close(share: float, expected: float, size: int) -> bool:
        return abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / size)

    assert close(float(chosen.mean()), 0.15, chosen.size)
    assert close(float((inputs[chosen] == MASK).mean()), 0.8 + 0.1 / VOCABULARY, n)
    assert close(float((inputs[chosen] == tokens[chosen]).mean()), 0.1 + 0.1 / VOCABULARY, n)
    by_position = chosen.mean(axis=0)
    assert np.abs(by_position - 0.15).max() < 5 * np.sqrt(0.15 * 0.85 / len(drawn))


def test_labels_are_the_tokens_and_the_rest_is_untouched() -> None:
    for window in windows(50, 64):
        inputs, labels = masked(window)
        chosen = labels != IGNORED
        assert (labels[chosen] == window.tokens[chosen]).all()
        assert (inputs[~chosen] == window.tokens[~chosen]).all()
        assert inputs.dtype == labels.dtype == np.int32
        assert 0 <= inputs.min() <= inputs.max() < VOCABULARY


def test_the_window_decides_the_mask() -> None:
    window = windows(1, 256)[0]
    again = make_window(window.tokens.copy())
    for one, other in zip(masked(window), masked(again), strict=True):
        assert (one == other).all()
    changed = window.tokens.copy()
    changed[0] = 5 + (changed[0] - 4) % 900
    positions = masked(window)[1] != IGNORED
    assert (positions != (masked(make_window(changed))[1] != IGNORED)).any()


def test_at_least_one_token_and_never_a_special_one() -> None:
    random = np.random.default_rng(1)
    for _ in range(300):
        tokens = random.integers(0, 4, size=12)
        tokens[random.integers(12)] = 77  # the only one that may be masked
        _, labels = masked(make_window(tokens))
        assert labels[labels != IGNORED].tolist() == [77]


def test_nothing_to_mask_is_an_error() -> None:
    with pytest.raises(DataError, match="special tokens only"):
        masked(make_window([0, 1, 2]))
