"""Task: summarize the RMT runs of one tier into recommended epsilons."""

from __future__ import annotations

from invarlock.calibration.rmt import summarize_rmt_runs
from invarlock.calibration.rmt_reports import read_rmt_observation
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.read_findings import read_observations
from tasks.resources import documents


@cached_task(
    name="summarize rmt runs",
    run_name="summarize {tier}",
    key=("tier", "reports", "quantile", "safety_margin", "pool"),
)
def summarize_rmt(
    tier: str, reports: tuple[Reference, ...], *, quantile: float, safety_margin: float, pool: tuple[str, ...]
) -> Reference:
    """The summary of ``reports``, all of ``tier``, whose baselines are those of ``pool``."""
    return documents().put(
        summarize_rmt_runs(
            read_observations(reports, read_rmt_observation),
            tier=tier,
            quantile=quantile,
            safety_margin=safety_margin,
            pool=pool,
        )
    )
