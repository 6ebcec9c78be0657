"""Drift caps for one model, from harmless edits of it: the rule of ``--null benign --cap-rule tolerance``."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.plain_evaluation import PlainEvaluations
from invarlock.calibration.drift_caps import DriftCapRecommendation, recommend_drift_caps, runs_needed
from invarlock.calibration.null_reports import NullObservation, read_observation
from invarlock.edits.benign import benign_edit
from invarlock.guards.spectral import judge_spectral
from invarlock.measure.sigma_max import CONVERGED
from invarlock.measure.variant import measure_variant

TARGET = 0.05  # share of fresh harmless edits that may be warned about
EDITS = runs_needed(TARGET)


def recommended_caps(evaluations: PlainEvaluations, *, edits: int) -> DriftCapRecommendation:
    """Caps from ``edits`` harmless edits of the baseline; fewer than :data:`EDITS` give the largest drift seen."""
    checkpoint, digest, store = evaluations.checkpoint, evaluations.identity.digest, evaluations.store
    policy = evaluations.settings.policy.policy.spectral
    baseline = measure_variant(checkpoint, digest, None, store, CONVERGED)

    def observe(seed: int) -> NullObservation:
        edit = benign_edit(seed, checkpoint.entries, digest)
        variant = measure_variant(checkpoint, digest, edit, store, CONVERGED)
        guard = judge_spectral(baseline.weights, variant.weights, policy, variant.drift)
        model = {"digest": variant.weights.model_digest, "baseline_digest": digest}
        seen = read_observation({"model": model, "guards": [guard.model_dump(mode="json")]}, seed)
        assert seen is not None
        return seen

    return recommend_drift_caps([observe(seed) for seed in range(edits)], target=TARGET)


def write_edit_config(recommended: DriftCapRecommendation, path: Path) -> Path:
    """An edit config that sets the caps and nothing else, at ``path``. JSON is YAML."""
    caps = recommended.model_dump(mode="json")["caps"]
    path.write_text(json.dumps({"guards": {"spectral": {"drift_caps": caps}}}))
    return path
