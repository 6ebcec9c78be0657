"""The spike that aborts a run: a perplexity ratio so large that no other gate is worth judging."""

from __future__ import annotations

import math

from invarlock.errors import DataError
from invarlock.record import Record

RATIO_LIMIT = 2.0


class SpikeCheck(Record):
    """spiked: exp(mean_delta) > ratio_limit. In logarithms: the ratio of a ruined model can be beyond a float.

    mean_delta: token-weighted, subject less baseline, nats per token.
    """

    spiked: bool
    mean_delta: float
    ratio_limit: float = RATIO_LIMIT


def look_for_spike(mean_delta: float) -> SpikeCheck:
    """mean_delta: as in ``PairedLosses.mean`` of the final windows. DataError when it is not finite."""
    if not math.isfinite(mean_delta):
        raise DataError(f"the mean difference is {mean_delta}", fix="look at the losses of both arms")
    return SpikeCheck(spiked=mean_delta > math.log(RATIO_LIMIT), mean_delta=mean_delta)
