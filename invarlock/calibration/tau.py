"""The tau sweep: curves over candidate thresholds, and a recommendation that is told on samples without a say in it."""

from __future__ import annotations

import math

import numpy as np

from invarlock.calibration.tau_records import Swept, TauFindings, TauQuestion
from invarlock.tau.calibrate import TauCalibration, calibrate_tau_infer
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.samples import QAbsSamples, Samples
from invarlock.tau.split import Part, split_samples
from invarlock.tau.sweep import count_taus
from invarlock.tau.sweep_record import TauSweep, sweep_of
from invarlock.tau.tau_train import TauTrainRecommendation, tau_train_by_gap_rate, tau_train_by_multiple

TABLE = 41  # rows of a sweep whose taus nobody named
_DIGITS = 3


def find_tau(samples: QAbsSamples, question: TauQuestion) -> TauFindings:
    """Answer ``question`` from the samples that it names.

    With a requirement the curves are of the calibration part, so that the other part is looked at once, at the tau
    that was frozen. Raises TauError as :func:`invarlock.tau.sweep.count_taus` and
    :func:`invarlock.tau.calibrate.calibrate_tau_infer` do.
    """
    if question.requirement is None:
        swept = _sweep(samples, question, None)
        return TauFindings(swept=Swept.ALL, sweep=swept, calibration=None, tau_train=None)
    seed, share = question.seed, question.calibration_share
    found = calibrate_tau_infer(
        samples, question.requirement, taus=question.taus or None, seed=seed, calibration_share=share
    )
    part, _, _ = split_samples(samples, seed=seed, calibration_share=share)
    return TauFindings(
        swept=Swept.CALIBRATION,
        sweep=_sweep(part, question, found),
        calibration=found,
        tau_train=_tau_train(part, question, found.recommendation.tau_infer),
    )


def table_taus(samples: Samples) -> tuple[float, ...]:
    """From the smallest |Q| above 0 to the largest; between them evenly on a logarithmic axis, in three digits."""
    smallest, largest = math.inf, 0.0
    for chunk in samples.chunks():
        values = chunk.q_abs[np.isfinite(chunk.q_abs) & (chunk.q_abs > 0)]
        if values.size:
            smallest, largest = min(smallest, float(values.min())), max(largest, float(values.max()))
    if not largest:
        return (InferenceConfig().tau_infer,)
    spaced = np.exp(np.linspace(math.log(smallest), math.log(largest), TABLE))
    rounded = (float(f"{tau:.{_DIGITS}g}") for tau in spaced[1:-1].tolist())
    between = (min(max(tau, smallest), largest) for tau in rounded)
    return tuple(sorted({smallest, *between, largest}))


def _sweep(samples: Samples, question: TauQuestion, found: TauCalibration | None) -> TauSweep:
    """At the taus that were asked; else at a table's, and the one that is recommended."""
    taus = question.taus
    if not taus:
        point = found and found.recommendation.calibration
        taus = tuple(sorted({*table_taus(samples), *((point.tau,) if point else ())}))
    return sweep_of(count_taus(samples, taus))


def _tau_train(part: Part, question: TauQuestion, tau_infer: float | None) -> TauTrainRecommendation | None:
    if tau_infer is None:
        return None
    if question.tau_train_multiple is not None:
        return tau_train_by_multiple(part, tau_infer, question.tau_train_multiple)
    if question.target_gap_rate is not None:
        return tau_train_by_gap_rate(part, tau_infer, question.target_gap_rate)
    return None
