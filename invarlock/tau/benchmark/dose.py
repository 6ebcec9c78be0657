"""The DOSE benchmark: every head trained, calibrated on one split, judged on the other, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from invarlock import __version__
from invarlock.errors import DataError, MeasurementError
from invarlock.files import write_json
from invarlock.measure.models import pick_device
from invarlock.tau.benchmark.assay import Readings, draw_readings
from invarlock.tau.benchmark.heads import HEADS, Heads
from invarlock.tau.benchmark.modes import SIZES, Mode, Size
from invarlock.tau.benchmark.score import score
from invarlock.tau.benchmark.training import Training, deterministic
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.operating_points import OperatingPoints
from invarlock.tau.operating_points_files import write_operating_points
from invarlock.tau.operating_points_seeds import PATTERN, Candidate, SeedResult
from invarlock.tau.recommend import recommend_tau_infer
from invarlock.tau.requirement import Requirement
from invarlock.tau.samples import QAbsSamples, samples_of
from invarlock.tau.split import Part, split_samples
from invarlock.tau.strict import strict_inference
from invarlock.tau.tau_point import tau_point
from invarlock.tau.tau_train import tau_train_by_multiple

REQUIREMENTS = (Requirement(max_fp=0.01), Requirement(max_fp=0.1))
_GAP = 1.5  # tau_train as a multiple of tau_infer


def run_dose(mode: Mode, *, seeds: Sequence[int], device: str, out: Path) -> OperatingPoints:
    """Run the seeds one after another and write ``out/seed_<s>.json``, then ``out/aggregated/``.

    device: as for :func:`invarlock.measure.models.pick_device`, with its errors. DataError when ``out`` holds results
    of other seeds, which would be averaged with these.
    """
    on = pick_device(device)
    _refuse_other_seeds(out, seeds)
    for seed in seeds:
        with deterministic():
            result = run_seed(seed, SIZES[mode], on)
        write_json(out / f"seed_{seed}.json", result.model_dump(mode="json"))
    return write_operating_points(out)


def run_seed(seed: int, size: Size, device: str) -> SeedResult:
    """Everything of one seed, without files. To be called inside :func:`deterministic`."""
    training = draw_readings(seed, "training", size.training)
    held_out = draw_readings(seed, "held_out", size.held_out)
    how = Training(seed=seed, steps=size.steps, width=size.width, device=device)
    candidates: list[Candidate] = []
    for name, head in HEADS.items():
        said = head(training, held_out, how)
        # By sample id: the same for every head.
        calibration, evaluation, recipe = split_samples(_q_abs(said, held_out), seed=seed)
        candidates += [
            _candidate(name, said, held_out, calibration, evaluation, requirement)
            for requirement in REQUIREMENTS
        ]
    return SeedResult(
        seed=seed,
        split=recipe,
        made_with={
            "invarlock": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "device": device,
        },
        candidates=tuple(candidates),
    )


def _candidate(
    name: str, said: Heads, held_out: Readings, calibration: Part, evaluation: Part, requirement: Requirement
) -> Candidate:
    """The head at the tau_infer that the calibration part gives, judged on the evaluation part."""
    recommendation = recommend_tau_infer(calibration, requirement)
    tau = recommendation.tau_infer
    if tau is None:
        raise MeasurementError(recommendation.statement, where=f"{name}, max_fp {requirement.max_fp:g}")
    config = InferenceConfig(tau, tau_train_by_multiple(calibration, tau, _GAP).tau_train)
    judged = Heads(*(array[evaluation.keep] for array in said))
    return Candidate(
        name=f"{name}@fp{requirement.max_fp:g}",
        tau_infer=config.tau_infer,
        tau_train=config.tau_train,
        recommendation=recommendation,
        evaluation=tau_point(evaluation, tau, confidence=requirement.confidence),
        metrics=score(judged, held_out.at(evaluation.keep), config),
    )


def _q_abs(said: Heads, readings: Readings) -> QAbsSamples:
    """|Q| as a sweep takes it: NaN where P / Q is a fault, whatever Q is."""
    faults = strict_inference(said.p, said.q, InferenceConfig()).fault_mask
    q_abs = np.where(faults, np.float32(np.nan), np.abs(said.q))
    return samples_of(q_abs, readings.is_in_range, ids=readings.ids)


def _refuse_other_seeds(out: Path, seeds: Sequence[int]) -> None:
    ours = {f"seed_{seed}.json" for seed in seeds}
    if others := sorted(path.name for path in out.glob(PATTERN) if path.name not in ours):
        raise DataError(
            f"results of other seeds are here: {', '.join(others)}",
            where=out,
            fix="name another folder with --out: all results in a folder are averaged",
        )
