"""Task: summarize the VE runs of one tier into a recommended minimum effect."""

from __future__ import annotations

from invarlock.calibration.ve import summarize_ve_runs
from invarlock.calibration.ve_records import MinEffectRule
from invarlock.calibration.ve_reports import read_ve_observation
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.read_findings import read_observations
from tasks.resources import documents


@cached_task(
    name="summarize ve runs",
    run_name="summarize {tier}",
    key=("tier", "reports", "target", "safety_margin", "one_sided", "rule", "pool"),
)
def summarize_ve(
    tier: str,
    reports: tuple[Reference, ...],
    *,
    target: float,
    safety_margin: float,
    one_sided: bool,
    rule: MinEffectRule,
    pool: tuple[str, ...],
) -> Reference:
    """The summary of ``reports``, all of ``tier``, whose baselines are those of ``pool``."""
    return documents().put(
        summarize_ve_runs(
            read_observations(reports, read_ve_observation),
            tier=tier,
            target_enable_rate=target,
            safety_margin=safety_margin,
            predictive_one_sided=one_sided,
            rule=rule,
            pool=pool,
        )
    )
