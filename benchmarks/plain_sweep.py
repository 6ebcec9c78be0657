"""The demo null sweep without an orchestrator, in the two plainest forms. Run by ``benchmarks.null_sweep``.

    python -m benchmarks.plain_sweep bare OUT            # a loop: every distinct window and matrix once, nothing kept
    python -m benchmarks.plain_sweep library OUT [NULL]  # the library: stores, verdicts, summary, results folder

Prints the seconds of the work (after the imports), and those of its parts, as JSON. NULL: noop or benign.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.plain_calls import UNCOUNTED, edited, loaded, opened
from invarlock.calibration.null import summarize_null_runs
from invarlock.calibration.null_plan import NullModel, NullSweepPlan
from invarlock.calibration.null_reports import read_observation
from invarlock.calibration.null_request import NullKind, NullSweepRequest
from invarlock.calibration.sweep_settings import SweepSettings, read_null_settings
from invarlock.checkpoints.checkpoint import Checkpoint
from invarlock.checkpoints.modules import modules_of
from invarlock.data.drawing import draw_schedules
from invarlock.data.windows import WindowPool
from invarlock.digests import canonical_json
from invarlock.edits.benign import benign_edit
from invarlock.home import home
from invarlock.measure.identity import identify_model
from invarlock.measure.losses import measure_losses, run_windows
from invarlock.measure.models import LoadedModel, load_model, pick_device
from invarlock.measure.sigma_max import CONVERGED, estimate_sigma_max
from invarlock.measure.variant import measure_variant
from invarlock.reports.judge_null_run import judge_null_run
from invarlock.reports.null_sweep_folder import Findings, write_null_sweep
from invarlock.reports.sweep_folder import claim
from invarlock.store.measurement_store import MeasurementStore

CONFIG = Path("configs/calibration/null_sweep_demo.yaml")


def request(out: Path, null: NullKind = NullKind.NOOP) -> NullSweepRequest:
    """The default sweep: three tiers, ten seeds."""
    return NullSweepRequest(config=CONFIG, out=out, null=null)


def bare(out: Path) -> Mapping[str, float]:
    """Every distinct window and every matrix, once."""
    wanted = request(out)
    settings = read_null_settings(wanted)
    checkpoint, pool = opened(settings)
    drawn = draw_schedules(pool, seeds=wanted.seeds, preview=settings.preview, final=settings.final)
    model = load_model(checkpoint, model_digest="bare", dtype=settings.dtype.value)
    for module in modules_of(checkpoint):
        estimate_sigma_max(module.matrix_of(checkpoint.read(module.tensor)).float(), CONVERGED)
    names = dict.fromkeys(name for s in drawn.schedules.values() for name in s.preview + s.final)
    for window in pool.select(names):
        run_windows(model, [window])
    return {}


def library(out: Path, null: NullKind = NullKind.NOOP) -> Mapping[str, float]:
    """The whole sweep by plain calls."""
    start = time.perf_counter()
    wanted = request(out, null)
    settings = read_null_settings(wanted)
    checkpoint, pool = opened(settings)
    plan = settled(wanted, settings, checkpoint, pool)
    live = loaded(checkpoint, plan.models[0].identity, settings)
    with claim(out, plan.run_key, fresh=True) as folder:
        planned = time.perf_counter()
        findings = judged(plan, live, checkpoint, pool)
        measured = time.perf_counter()
        generated_at = datetime.now(UTC).isoformat(timespec="seconds")
        write_null_sweep(folder, findings, None, generated_at=generated_at, work=UNCOUNTED)
    return {"plan": planned - start, "measure and judge": measured - planned}


def settled(
    wanted: NullSweepRequest, settings: SweepSettings, checkpoint: Checkpoint, pool: WindowPool
) -> NullSweepPlan:
    """What the sweep is."""
    identity = identify_model(settings.references[0])
    drawn = draw_schedules(pool, seeds=wanted.seeds, preview=settings.preview, final=settings.final)
    edits = {}
    if wanted.null is NullKind.BENIGN:
        edits = {seed: benign_edit(seed, checkpoint.entries, identity.digest) for seed in wanted.seeds}
    return NullSweepPlan.settle(
        wanted,
        settings,
        [NullModel(label="demo", identity=identity, windows=drawn, edits=edits)],
        device=pick_device(settings.device),
        contract=CONVERGED,
        null=wanted.null,
        cap_rule=wanted.cap_rule,
        target_any_warning_rate=wanted.target_any_warning_rate,
    )


def judged(plan: NullSweepPlan, live: LoadedModel, checkpoint: Checkpoint, pool: WindowPool) -> Findings:
    """Every cell, measured and judged."""
    store = MeasurementStore(home() / "measurements")
    (model,) = plan.models
    identity = model.identity
    baseline = measure_variant(checkpoint, identity.digest, None, store, plan.contract)
    variants, runs = [baseline], {}
    for seed, schedule in model.windows.schedules.items():
        windows = pool.select(schedule.preview + schedule.final)
        losses = measure_losses(live, windows, store)
        subject, subject_losses = baseline, losses
        if (edit := model.edits.get(seed)) is not None:
            subject = measure_variant(checkpoint, identity.digest, edit, store, plan.contract)
            with edited(live, checkpoint, identity, edit, subject) as variant:
                subject_losses = measure_losses(variant, windows, store)
            variants.append(subject)
        for cell in plan.cells_of(model.label, seed):
            runs[cell] = judge_null_run(plan, cell, baseline, subject, losses, subject_losses)
    documents = {cell: canonical_json(run) for cell, run in runs.items()}
    summaries = {
        tier: summarize_null_runs(
            [read_observation(json.loads(documents[cell]), 0) for cell in documents if cell.tier is tier],
            tier=tier.value,
        )
        for tier in plan.tiers
    }
    return Findings(plan=plan, variants=variants, runs=runs, documents=documents, summaries=summaries)


if __name__ == "__main__":
    form, folder, *nulls = sys.argv[1:]
    begun = time.perf_counter()
    parts = bare(Path(folder)) if form == "bare" else library(Path(folder), *map(NullKind, nulls))
    print(json.dumps({"work_s": time.perf_counter() - begun, "seconds": parts}))
