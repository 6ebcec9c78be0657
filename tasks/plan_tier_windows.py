"""Task: the window plan of every tier, from kept losses of the pair."""

from __future__ import annotations

from invarlock.calibration.window_sizing import WindowSizing
from invarlock.measure.records import LossRecord, VariantMeasurement
from invarlock.reports.plan_window_run import plan_window_run
from invarlock.store.documents import Reference, References
from tasks.caching import cached_task
from tasks.resources import documents, read_record


@cached_task(name="plan windows", key=("run_key", "baseline", "edited", "baseline_losses", "edited_losses"))
def plan_tier_windows(
    sizing: Reference,
    run_key: str,
    *,
    baseline: Reference,
    edited: Reference,
    baseline_losses: Reference,
    edited_losses: Reference,
) -> References:
    """The report of each tier's cell, by its folder in the results."""
    settled = read_record(sizing, WindowSizing)
    measured = (
        read_record(baseline, VariantMeasurement),
        read_record(edited, VariantMeasurement),
        read_record(baseline_losses, LossRecord),
        read_record(edited_losses, LossRecord),
    )
    return References(
        items={
            cell.folder: documents().put(plan_window_run(settled, cell, *measured))
            for cell in settled.cells()
        }
    )
