"""Timing of bare losses: what is run, and that the store is left out of it."""

import time

import pytest

from invarlock.measure import window_timing
from invarlock.measure.pass_meter import PASSES
from invarlock.measure.window_timing import TIMED, time_windows
from tests.measure.random_windows import random_windows


@pytest.mark.parametrize(("windows", "timed"), [(5, 5), (TIMED + 3, TIMED)])
def test_the_first_windows_are_run_beside_one_that_warms_up(windows, timed, loaded):
    before = PASSES.total
    timing = time_windows(loaded("gpt2"), random_windows(windows))
    assert timing.windows == timed
    assert PASSES.total - before == timed + 1


def test_batches_count_by_their_windows(loaded):
    timing = time_windows(loaded("gpt2"), random_windows(10), batch_size=4)
    assert timing.windows == 10


def test_seconds_are_those_of_a_window(loaded, monkeypatch, one_thread):
    run = window_timing.run_windows

    def slowed(model, windows):
        time.sleep(0.02 * len(windows))
        return run(model, windows)

    monkeypatch.setattr(window_timing, "run_windows", slowed)
    timing = time_windows(loaded("gpt2"), random_windows(8), batch_size=2)
    assert 0.02 <= timing.seconds_per_window < 0.1
