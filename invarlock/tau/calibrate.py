"""tau_infer from one split, told on the other (design page 7)."""

from __future__ import annotations

from numpy.typing import ArrayLike

from invarlock.record import Record
from invarlock.tau.recommend import recommend_tau_infer
from invarlock.tau.recommendation_record import TauRecommendation
from invarlock.tau.requirement import Requirement
from invarlock.tau.sample_ids import ensure_one_row_an_id
from invarlock.tau.samples import QAbsSamples
from invarlock.tau.split import SplitRecipe, split_samples
from invarlock.tau.tau_point import TauPoint, tau_point


class TauCalibration(Record):
    """evaluation: the frozen tau_infer on the samples that had no say in it; None where none was recommended."""

    split: SplitRecipe
    recommendation: TauRecommendation
    evaluation: TauPoint | None


def calibrate_tau_infer(
    samples: QAbsSamples,
    requirement: Requirement,
    *,
    taus: ArrayLike | None = None,
    seed: int = 0,
    calibration_share: float = 0.5,
) -> TauCalibration:
    """Split, recommend on the calibration part, freeze, count the evaluation part.

    Raises TauError as :func:`recommend_tau_infer` and :func:`split_samples` do; censored rows of one id are refused
    on either side.
    """
    ensure_one_row_an_id(samples)
    calibration, evaluation, recipe = split_samples(samples, seed=seed, calibration_share=calibration_share)
    recommendation = recommend_tau_infer(calibration, requirement, taus=taus)
    frozen = recommendation.tau_infer
    point = None if frozen is None else tau_point(evaluation, frozen, confidence=requirement.confidence)
    return TauCalibration(split=recipe, recommendation=recommendation, evaluation=point)
