"""tau_infer from one split, told on the other (design page 7)."""

from __future__ import annotations

from numpy.typing import ArrayLike

from invarlock.record import Record
from invarlock.tau.calibration_warnings import calibration_warnings
from invarlock.tau.errors import TauError
from invarlock.tau.recommend import recommend_tau_infer
from invarlock.tau.recommendation_record import TauRecommendation
from invarlock.tau.requirement import Requirement
from invarlock.tau.sample_ids import ensure_one_row_an_id
from invarlock.tau.samples import QAbsSamples
from invarlock.tau.split import Part, SplitRecipe, split_samples
from invarlock.tau.tau_point import TauPoint, tau_point


class TauCalibration(Record):
    """evaluation: the frozen tau_infer on the samples that had no say in it; None where none was recommended.
    warnings: what a reviewer should think about, besides those of the split."""

    split: SplitRecipe
    recommendation: TauRecommendation
    evaluation: TauPoint | None
    warnings: tuple[str, ...]


def calibrate_tau_infer(
    samples: QAbsSamples,
    requirement: Requirement,
    *,
    taus: ArrayLike | None = None,
    seed: int = 0,
    calibration_share: float = 0.5,
) -> TauCalibration:
    """Split, recommend on the calibration part, freeze, count the evaluation part.

    The promise is of a seed that was fixed before any result was seen. Raises TauError as :func:`recommend_tau_infer`
    and :func:`split_to_calibrate` do.
    """
    calibration, evaluation, recipe = split_to_calibrate(
        samples, seed=seed, calibration_share=calibration_share
    )
    recommendation = recommend_tau_infer(calibration, requirement, taus=taus)
    frozen = recommendation.tau_infer
    point = None if frozen is None else tau_point(evaluation, frozen, confidence=requirement.confidence)
    return TauCalibration(
        split=recipe,
        recommendation=recommendation,
        evaluation=point,
        warnings=calibration_warnings(recommendation, point, seed),
    )


def split_to_calibrate(
    samples: QAbsSamples, *, seed: int, calibration_share: float
) -> tuple[Part, Part, SplitRecipe]:
    """As :func:`split_samples`.

    TauError besides where censored rows share an id, on either side, and where no sample is left to evaluate.
    """
    ensure_one_row_an_id(samples)
    calibration, evaluation, recipe = split_samples(samples, seed=seed, calibration_share=calibration_share)
    if not recipe.n_evaluation:
        raise TauError(
            f"all {recipe.n_calibration} rows calibrate, and none is left to evaluate what they recommend",
            where="calibration_share",
            fix="a smaller share (--calibration-share 0.5), or more samples",
        )
    return calibration, evaluation, recipe
