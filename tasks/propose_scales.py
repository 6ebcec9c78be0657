"""Task: the scales that the cells of one seed propose, from kept branch moments."""

from __future__ import annotations

from invarlock.calibration.ve_plan import VeSweepPlan
from invarlock.calibration.ve_proposals import propose_for_seed
from invarlock.measure.branch_records import BranchRecord
from invarlock.store.documents import Reference
from tasks.caching import cached_task
from tasks.resources import documents, read_record


@cached_task(
    name="propose scales",
    run_name="propose scales seed {seed}",
    key=("run_key", "model", "seed", "baseline", "edited"),
)
def propose_scales(
    plan: Reference, run_key: str, model: str, seed: int, *, baseline: Reference, edited: Reference
) -> Reference:
    """The proposals of ``seed``; baseline, edited: branch records on its calibration windows."""
    return documents().put(
        propose_for_seed(
            read_record(plan, VeSweepPlan),
            model,
            seed,
            read_record(baseline, BranchRecord),
            read_record(edited, BranchRecord),
        )
    )
