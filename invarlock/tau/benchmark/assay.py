"""A synthetic assay: the response of a Hill curve is read, and the dose behind it is asked for.

The fraction of full response at a dose c is theta = 1 / (1 + (c / EC50)^-h). Read backwards,
log10(c / EC50) = log10(theta / (1 - theta)) / h: the denominator vanishes on both plateaus, and with it what a response
can tell of its dose. A dose is in range when theta lies in [0.05, 0.95], the usual limits of quantification; a censored
one lies beyond, below or above, where theta is within 0.025 of a plateau and the reading's noise decides. The reader
saturates a little, which a head can learn and the formula above does not know.

References: A. V. Hill (1910), J. Physiol. 40, iv-vii (the curve).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.gate_dtype import Floats

IN_RANGE = 1.278  # |log10(theta / (1 - theta))| at theta 0.95
CENSORED = (1.6, 4.0)  # theta 0.975 and beyond
_NOISE = 0.02  # standard deviation of a reading, in units of the response; a control is the mean of four
_CONTROLS = 4
_SATURATION = 0.3  # a response r is read as r / (1 + 0.3 r)


@dataclass(frozen=True)
class Readings:
    """What an assay gives, and the truth; arrays of n samples.

    ids: one a sample, unlike in any other seed; features: float32 (n, 3): the reading between the two controls (0 on
    the lower one, 1 on the upper one), the curve's slope h, and the distance of the controls; log_dose: float32
    log10(c / EC50); is_in_range: boolean; side: int8, -1 censored below, 0 in range, 1 censored above.
    """

    ids: NDArray[np.str_]
    features: Floats
    log_dose: Floats
    side: NDArray[np.int8]

    @property
    def is_in_range(self) -> NDArray[np.bool_]:
        """True where the dose can be told."""
        inside: NDArray[np.bool_] = self.side == 0
        return inside

    def at(self, rows: NDArray[Any]) -> Readings:
        """The samples at ``rows``, indices or a boolean mask."""
        return Readings(self.ids[rows], self.features[rows], self.log_dose[rows], self.side[rows])


def draw_readings(seed: int, purpose: str, n: int) -> Readings:
    """``n`` samples, half of them in range. Equal arguments give equal samples; purposes are independent streams."""
    rng = np.random.default_rng([seed, *purpose.encode()])
    side = rng.choice(np.array([-1, 0, 0, 1], np.int8), n)
    logit = np.where(side == 0, rng.uniform(-IN_RANGE, IN_RANGE, n), side * rng.uniform(*CENSORED, n))
    slope = rng.uniform(0.8, 1.6, n)
    span = rng.uniform(0.6, 1.4, n)
    reading = _read(span / (1 + 10**-logit)) + _NOISE * rng.standard_normal(n)
    low = _NOISE / _CONTROLS**0.5 * rng.standard_normal(n)
    high = _read(span) + _NOISE / _CONTROLS**0.5 * rng.standard_normal(n)
    features = np.stack([(reading - low) / (high - low), slope, high - low], axis=1)
    return Readings(
        ids=np.array([f"{purpose}-{seed}-{row}" for row in range(n)]),
        features=features.astype(np.float32),
        log_dose=(logit / slope).astype(np.float32),
        side=side,
    )


def _read(response: NDArray[np.float64]) -> NDArray[np.float64]:
    return response / (1 + _SATURATION * response)
