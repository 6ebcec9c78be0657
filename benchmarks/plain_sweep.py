"""The demo null sweep without an orchestrator, in the two plainest forms. Run by ``benchmarks.null_sweep``.

    python -m benchmarks.plain_sweep bare     # a loop: every distinct window and matrix once, nothing kept
    python -m benchmarks.plain_sweep library  # the library: stores, verdicts, summary, results folder

Prints the seconds of the work (after the imports) as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import transformers.models.gpt2.modeling_gpt2  # noqa: F401  imported late by the library: not part of the work

from invarlock.calibration.null import summarize_null_runs
from invarlock.calibration.null_plan import NullModel, NullSweepPlan
from invarlock.calibration.null_reports import read_observation
from invarlock.calibration.null_request import NullSweepRequest
from invarlock.calibration.sweep_settings import SweepSettings, read_null_settings
from invarlock.checkpoints.checkpoint import Checkpoint, open_checkpoint
from invarlock.checkpoints.modules import modules_of
from invarlock.data.drawing import draw_schedules
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import WindowPool, build_pool
from invarlock.digests import canonical_json
from invarlock.home import home
from invarlock.measure.identity import identify_model
from invarlock.measure.losses import measure_losses, run_windows
from invarlock.measure.models import load_model, pick_device
from invarlock.measure.sigma_max import CONVERGED, estimate_sigma_max
from invarlock.measure.variant import measure_variant
from invarlock.reports.judge_null_run import judge_null_run
from invarlock.reports.null_sweep_folder import NullSweepFindings, write_null_sweep
from invarlock.reports.sweep_folder import claim
from invarlock.reports.sweep_report import Work
from invarlock.store.measurement_store import MeasurementStore

CONFIG = Path("configs/calibration/null_sweep_demo.yaml")


def request(out: Path) -> NullSweepRequest:
    """The default sweep: three tiers, ten seeds."""
    return NullSweepRequest(config=CONFIG, out=out)


def opened(settings: SweepSettings) -> tuple[Checkpoint, WindowPool]:
    """The model and its windows."""
    checkpoint = open_checkpoint(settings.references[0])
    return checkpoint, build_pool(settings.config.dataset, load_tokenizer(checkpoint.root))


def bare(out: Path) -> None:
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


def library(out: Path) -> None:
    """The whole sweep by plain calls."""
    wanted = request(out)
    settings = read_null_settings(wanted)
    checkpoint, pool = opened(settings)
    drawn = draw_schedules(pool, seeds=wanted.seeds, preview=settings.preview, final=settings.final)
    identity = identify_model(settings.references[0])
    planned = NullModel(label="demo", identity=identity, windows=drawn, edits={})
    plan = NullSweepPlan.settle(
        wanted,
        settings,
        [planned],
        device=pick_device(settings.device),
        contract=CONVERGED,
        null=wanted.null,
        cap_rule=wanted.cap_rule,
        target_any_warning_rate=wanted.target_any_warning_rate,
    )
    with claim(out, plan.run_key, fresh=True) as folder:
        findings = judged(plan, checkpoint, pool)
        work = Work(
            measured={},
            found={},
            forward_passes=0.0,
            quarantined=(),
            seconds={},
            host="",
            commit=None,
            mlflow_run_id="",
        )
        write_null_sweep(
            folder,
            findings,
            generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
            work=work,
        )


def judged(plan: NullSweepPlan, checkpoint: Checkpoint, pool: WindowPool) -> NullSweepFindings:
    """Every cell, measured and judged."""
    store = MeasurementStore(home() / "measurements")
    variant = measure_variant(checkpoint, plan.models[0].identity.digest, None, store, plan.contract)
    identity = plan.models[0].identity
    digest = identity.behaviour(identity.digest)
    model = load_model(checkpoint, model_digest=digest, dtype=plan.arithmetic.dtype.value)
    runs = {}
    losses = {
        seed: measure_losses(model, pool.select(s.preview + s.final), store)
        for seed, s in plan.models[0].windows.schedules.items()
    }
    for cell in plan.cells():
        runs[cell] = judge_null_run(plan, cell, variant, variant, losses[cell.seed], losses[cell.seed])
    documents = {cell: canonical_json(run) for cell, run in runs.items()}
    summaries = {
        tier: summarize_null_runs(
            [read_observation(json.loads(documents[cell]), 0) for cell in documents if cell.tier is tier],
            tier=tier.value,
        )
        for tier in plan.tiers
    }
    return NullSweepFindings(
        plan=plan, variants=[variant], runs=runs, documents=documents, summaries=summaries, drift_caps=None
    )


if __name__ == "__main__":
    start = time.perf_counter()
    {"bare": bare, "library": library}[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps({"work_s": time.perf_counter() - start}))
