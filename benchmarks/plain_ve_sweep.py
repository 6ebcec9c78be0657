"""The demo VE sweep by plain library calls, without an orchestrator. Run by ``benchmarks.ve_sweep``.

    python -m benchmarks.plain_ve_sweep OUT

Store, proposals, verdicts, summary and results folder. Prints as JSON the seconds of the work (after the imports)
and the forward passes, counted by hooks.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.pass_count import PassCount
from benchmarks.plain_calls import UNCOUNTED, edited, loaded, opened
from invarlock.calibration.sweep_plan import Cell, labelled
from invarlock.calibration.sweep_settings import SweepSettings, read_ve_settings
from invarlock.calibration.ve import summarize_ve_runs
from invarlock.calibration.ve_plan import VeModel, VeSweepPlan
from invarlock.calibration.ve_proposals import propose_for_seed
from invarlock.calibration.ve_reports import read_ve_observation
from invarlock.calibration.ve_request import VeSweepRequest
from invarlock.checkpoints.checkpoint import Checkpoint
from invarlock.data.drawing import draw_schedules
from invarlock.data.windows import WindowPool
from invarlock.digests import canonical_json
from invarlock.edits.plan import plan_edit
from invarlock.home import home
from invarlock.measure.branches import measure_branches
from invarlock.measure.identity import identify_model
from invarlock.measure.models import LoadedModel, pick_device
from invarlock.measure.scaled_losses import ScaledRequest, measure_scaled
from invarlock.measure.sigma_max import CONVERGED
from invarlock.measure.taps import edited_taps, taps_of
from invarlock.measure.variant import measure_variant
from invarlock.reports.judge_ve_run import VeMeasured, judge_ve_run
from invarlock.reports.sweep_folder import claim
from invarlock.reports.ve_run_report import VeRunReport
from invarlock.reports.ve_sweep_folder import Findings, write_ve_sweep
from invarlock.store.measurement_store import MeasurementStore

CONFIG = Path("configs/calibration/ve_sweep_demo.yaml")


@dataclass(frozen=True)
class Opened:
    """A sweep that is settled, with its model live and everything that runs on it."""

    plan: VeSweepPlan
    live: LoadedModel
    checkpoint: Checkpoint
    pool: WindowPool


def open_sweep(out: Path) -> Opened:
    """The default sweep: three tiers, 6, 8, 12 and 16 windows, ten seeds. Planned as the flow does it."""
    wanted = VeSweepRequest(config=CONFIG, out=out)
    settings = read_ve_settings(wanted)
    checkpoint, pool = opened(settings)
    model = planned(wanted, settings, checkpoint, pool)
    plan = VeSweepPlan.settle(
        wanted,
        settings,
        [model],
        device=pick_device(settings.device),
        contract=CONVERGED,
        windows=wanted.windows,
        target_enable_rate=wanted.target_enable_rate,
        rule=wanted.rule,
    )
    return Opened(plan, loaded(checkpoint, model.identity, settings), checkpoint, pool)


def planned(
    wanted: VeSweepRequest, settings: SweepSettings, checkpoint: Checkpoint, pool: WindowPool
) -> VeModel:
    """The model with its edit, taps and windows."""
    edit = plan_edit(settings.config.edit.name, settings.config.edit.plan, checkpoint)
    assert edit is not None  # the demo's is no noop
    return VeModel(
        label=labelled(settings.references)[0][1],
        identity=identify_model(settings.references[0]),
        windows=draw_schedules(
            pool,
            seeds=wanted.seeds,
            preview=settings.preview,
            final=settings.final,
            calibration=max(wanted.windows),
        ),
        edit=edit,
        taps=taps_of(checkpoint),
        edited=edited_taps(checkpoint, edit.modules),
    )


def library(sweep: Opened, out: Path) -> None:
    """The whole sweep by plain calls."""
    with claim(out, sweep.plan.run_key, fresh=True) as folder:
        findings = judged(sweep, MeasurementStore(home() / "measurements"))
        generated_at = datetime.now(UTC).isoformat(timespec="seconds")
        write_ve_sweep(folder, findings, generated_at=generated_at, work=UNCOUNTED)


def judged(sweep: Opened, store: MeasurementStore) -> Findings:
    """Every cell, measured and judged."""
    plan, live, checkpoint = sweep.plan, sweep.live, sweep.checkpoint
    (model,) = plan.models
    identity, taps = model.identity, model.taps
    baseline = measure_variant(checkpoint, identity.digest, None, store, plan.contract)
    subject = measure_variant(checkpoint, identity.digest, model.edit, store, plan.contract)
    windows = {seed: sweep.pool.select(s.calibration) for seed, s in model.windows.schedules.items()}
    branches = {seed: measure_branches(live, drawn, taps, store) for seed, drawn in windows.items()}
    runs: dict[Cell, VeRunReport] = {}
    with edited(live, checkpoint, identity, model.edit, subject) as variant:
        for seed, drawn in windows.items():
            edited_branches = measure_branches(variant, drawn, taps, store)
            proposals = propose_for_seed(plan, model.label, seed, branches[seed], edited_branches)
            requests = [ScaledRequest(test.scales, drawn[: test.windows]) for test in proposals.tests]
            measured = VeMeasured(
                baseline=baseline,
                edited=subject,
                baseline_branches=branches[seed],
                edited_branches=edited_branches,
                proposals=proposals,
                scaled={one.scales.digest: one for one in measure_scaled(variant, requests, store)},
            )
            for cell in plan.cells_of(model.label, seed):
                runs[cell] = judge_ve_run(plan, cell, measured)
    documents = {cell: canonical_json(run) for cell, run in runs.items()}
    summaries = {
        tier: summarize_ve_runs(
            [
                read_ve_observation(json.loads(document), 0)
                for cell, document in documents.items()
                if cell.tier is tier
            ],
            tier=tier.value,
            predictive_one_sided=plan.policies[tier].policy.variance.predictive_one_sided,
        )
        for tier in plan.tiers
    }
    return Findings(
        plan=plan, variants=[baseline, subject], runs=runs, documents=documents, summaries=summaries
    )


if __name__ == "__main__":
    begun = time.perf_counter()
    opened_sweep = open_sweep(Path(sys.argv[1]))
    count = PassCount(opened_sweep.live)
    library(opened_sweep, Path(sys.argv[1]))
    print(json.dumps({"work_s": time.perf_counter() - begun, "passes": count.passes, "heads": count.heads}))
