"""Task: summarize the null runs of one tier into recommended caps."""

from __future__ import annotations

import json

from invarlock.calibration.drift_caps import DriftCapRecommendation, recommend_drift_caps
from invarlock.calibration.null import summarize_null_runs
from invarlock.calibration.null_reports import read_observation
from invarlock.store.documents import Reference, read_document
from tasks.caching import cached_task
from tasks.resources import documents


@cached_task(
    name="summarize null runs",
    run_name="summarize {tier}",
    key=("tier", "reports", "safety_margin", "target", "pool"),
)
def summarize_null(
    tier: str, reports: tuple[Reference, ...], *, safety_margin: float, target: float, pool: tuple[str, ...]
) -> Reference:
    """The summary of ``reports``, all of ``tier``, whose baselines are those of ``pool``."""
    return documents().put(
        summarize_null_runs(
            [read_observation(json.loads(read_document(r)), i) for i, r in enumerate(reports)],
            tier=tier,
            safety_margin=safety_margin,
            target_any_warning_rate=target,
            pool=pool,
        )
    )


@cached_task(name="bound drift", key=("reports", "target"))
def bound_drift(reports: tuple[Reference, ...], *, target: float) -> Reference:
    """Drift caps from the benign runs of one tier; drift does not depend on the tier."""
    observations = [read_observation(json.loads(read_document(r)), i) for i, r in enumerate(reports)]
    recommendation: DriftCapRecommendation = recommend_drift_caps(
        [run for run in observations if run is not None], target=target
    )
    return documents().put(recommendation)
