"""How well a head and its gate do on samples whose truth is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.benchmark.assay import Readings
from invarlock.tau.benchmark.heads import Heads
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.operating_points_seeds import CandidateMetrics
from invarlock.tau.strict import strict_inference

Mask = NDArray[np.bool_]


def score(heads: Heads, samples: Readings, config: InferenceConfig) -> CandidateMetrics:
    """Metrics of the gate ``config`` on ``samples``; null where there are no samples for one.

    macro_f1: the mean of the F1 of in range (said by accepting) and of censored (said by a bottom). direction_f1: the
    mean of the F1 of below and of above, over all samples; a bottom sample is said to lie on the side that its head's
    direction names, an accepted one on neither.
    """
    said = strict_inference(heads.p, heads.q, config)
    bottom, inside = said.bottom_mask, samples.is_in_range
    right = ~bottom & inside
    return CandidateMetrics(
        fp_cens=_share(~bottom, among=~inside),
        fn_in=_share(bottom, among=inside),
        accept_rate=_share(~bottom),
        macro_f1=_mean(f1(inside, ~bottom), f1(~inside, bottom)),
        direction_f1=_mean(
            f1(samples.side < 0, bottom & (heads.direction < 0)),
            f1(samples.side > 0, bottom & (heads.direction > 0)),
        ),
        fault_rate=_share(said.fault_mask),
        semantic_bottom_rate=_share(said.semantic_bottom_mask),
        bottom_rate=_share(bottom),
        mae_in=float(np.abs(said.decoded - samples.log_dose)[right].mean(dtype=np.float64))
        if right.any()
        else None,
    )


def f1(truth: Mask, said: Mask) -> float | None:
    """2 tp / (2 tp + fp + fn); None where the class is neither there nor said."""
    members = int(truth.sum()) + int(said.sum())
    return 2 * int((truth & said).sum()) / members if members else None


def _share(mask: NDArray[Any], among: Mask | None = None) -> float | None:
    chosen = mask if among is None else mask[among]
    return int(chosen.sum()) / chosen.size if chosen.size else None


def _mean(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else (first + second) / 2
