"""What a pass costs on this machine: no measurement of a model, and never the same twice."""

from __future__ import annotations

from invarlock.record import Record


class WindowTiming(Record):
    """seconds_per_window: wall time of a bare loss, passes side by side as in an evaluation; windows: timed."""

    seconds_per_window: float
    windows: int
