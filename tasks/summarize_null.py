"""Task: summarize the null runs of one tier into recommended caps."""

from __future__ import annotations

from invarlock.calibration.drift_caps import recommend_drift_caps
from invarlock.calibration.null import summarize_null_runs
from invarlock.calibration.null_reports import read_observation
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.read_findings import read_observations
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
            read_observations(reports, read_observation),
            tier=tier,
            safety_margin=safety_margin,
            target_any_warning_rate=target,
            pool=pool,
        )
    )


@cached_task(name="bound drift", key=("reports", "target"))
def bound_drift(reports: tuple[Reference, ...], *, target: float) -> Reference:
    """Drift caps from the benign runs of one tier; drift does not depend on the tier."""
    runs = [run for run in read_observations(reports, read_observation) if run is not None]
    return documents().put(recommend_drift_caps(runs, target=target))
