"""Real evaluations of the shipped model, small enough for a test: measured and written here, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.data.drawing import draw_schedules
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import WindowPool, build_pool
from invarlock.edits.names import CHECKPOINT, NOOP
from invarlock.edits.overlay import EditedCheckpoint
from invarlock.evaluation.evaluation_plan import EvaluationPlan, MetricChoice
from invarlock.evaluation.measured import ArmMeasured, Evidence, Measured, VarianceMeasured
from invarlock.evaluation.request import EvaluationRequest
from invarlock.evaluation.settings import read_evaluation_settings
from invarlock.evaluation.variance_targets import propose_for_evaluation, variance_targets
from invarlock.measure.arm import measure_arm
from invarlock.measure.branches import measure_branches
from invarlock.measure.edge_sites import edge_sites
from invarlock.measure.identity import identify_model
from invarlock.measure.models import LoadedModel, applied, load_model
from invarlock.measure.predictable_tokens import predictable_tokens
from invarlock.measure.records import ModelIdentity, VariantMeasurement
from invarlock.measure.scaled_losses import ScaledRequest, measure_scaled
from invarlock.measure.sigma_max import CONVERGED
from invarlock.measure.subject import measure_subject
from invarlock.measure.subject_edit import plan_subject_edit
from invarlock.provenance import code_version
from invarlock.reports.compare_runs import compare_runs
from invarlock.reports.evaluation_folder import write_evaluation
from invarlock.reports.evaluation_manifest import REPORT
from invarlock.reports.evaluation_report import EvaluationReport, Volatile
from invarlock.reports.judge_runs import judge_runs
from invarlock.reports.sweep_folder import claim
from invarlock.reports.sweep_report import Work
from invarlock.store.measurement_store import MeasurementStore
from tests.flows.evaluations import request

VOLATILE = Volatile(
    resolved_at="2026-01-02T03:04:05+00:00",
    generated_at="2026-01-02T03:04:05+00:00",
    work=Work(
        measured={"window_loss": 32},
        found={"window_loss": 0},
        forward_passes=32.0,
        quarantined=(),
        seconds={"measure": 1.5},
        host="somewhere",
        commit="0123abcd",
        mlflow_run_id="4567ef",
    ),
)


def evaluate_here(folder: Path, **changes: object) -> Evidence:
    """What an evaluation measures for a request of :func:`tests.flows.evaluations.request`."""
    plan, pool = plan_here(request(folder, **changes))
    store = MeasurementStore(folder / "store")
    return Evidence(plan=plan.portable, measured=_measure(plan, pool, store))


def write_here(folder: Path, evidence: Evidence) -> Path:
    """The files as an evaluation leaves them; the path of the report."""
    runs = judge_runs(evidence.plan, evidence.measured)
    report = compare_runs(runs.baseline, runs.subject).model_copy(update={"volatile": VOLATILE})
    with claim(folder, report.run_id, fresh=True) as staged:
        write_evaluation(staged, evidence, runs.baseline, runs.subject, report)
    return folder / REPORT


def report_of(evidence: Evidence) -> EvaluationReport:
    """Judged, without its volatile block."""
    runs = judge_runs(evidence.plan, evidence.measured)
    return compare_runs(runs.baseline, runs.subject)


def plan_here(asked: EvaluationRequest) -> tuple[EvaluationPlan, WindowPool]:
    """The plan of a request, and the windows that its schedule was drawn from."""
    settings = read_evaluation_settings(asked)
    baseline, subject = identify_model(asked.baseline), identify_model(asked.subject)
    source = open_checkpoint(baseline.root)
    dataset = settings.preset.dataset
    planned = plan_subject_edit(source, open_checkpoint(subject.root), settings.edit, seq_len=dataset.seq_len)
    pool = build_pool(dataset, load_tokenizer(baseline.root), allow_network=False)
    windows = draw_schedules(
        pool,
        seeds=(asked.seed,),
        preview=settings.preview,
        final=settings.final,
        calibration=settings.calibration,
    )
    plan = EvaluationPlan(
        inputs=settings.inputs,
        dataset=dataset,
        profile=asked.profile,
        tier=asked.tier,
        assurance=asked.assurance,
        metric=settings.metric,
        arithmetic=Arithmetic(dtype=settings.preset.model.dtype, device="cpu", batch_size=None),
        baseline=baseline,
        subject=subject,
        edit=planned.edit,
        taps=planned.taps if asked.variance else (),
        windows=windows,
        predictable_tokens=predictable_tokens(pool.windows, source),
        replicates=settings.replicates,
        policy=settings.policy,
        contract=CONVERGED,
        code=code_version(),
    )
    return plan, pool


def _measure(plan: EvaluationPlan, pool: WindowPool, store: MeasurementStore) -> Measured:
    source, subject = open_checkpoint(plan.baseline.root), open_checkpoint(plan.subject.root)
    before, after = (
        measure_subject(
            model,
            source,
            subject_digest=digest,
            baseline_digest=plan.baseline.digest,
            edit=edit,
            store=store,
            contract=plan.contract,
        )
        for model, digest, edit in (
            (source, plan.baseline.digest, None),
            (subject, plan.subject.digest, plan.edit),
        )
    )
    run = partial(
        measure_arm,
        windows=pool.select(plan.schedule.preview + plan.schedule.final),
        sites=edge_sites(source),
        store=store,
        contract=plan.contract,
        count_hits=plan.metric is MetricChoice.ACCURACY,
    )
    assert before.variant is not None
    with _live(plan, plan.baseline, before.variant) as model:
        baseline_runs = run(model)
    if after.variant is None:
        subject_runs, variance = None, None
    else:
        with _live(plan, plan.subject, after.variant) as model:
            subject_runs = run(model)
        variance = _equalize(plan, pool, before.variant, after.variant, store)
    return Measured(
        baseline=ArmMeasured.of(before, baseline_runs),
        subject=ArmMeasured.of(after, subject_runs),
        variance=variance,
    )


def _equalize(
    plan: EvaluationPlan,
    pool: WindowPool,
    before: VariantMeasurement,
    after: VariantMeasurement,
    store: MeasurementStore,
) -> VarianceMeasured | None:
    if not variance_targets(plan, after):
        return None
    windows = pool.select(plan.schedule.calibration)
    with _live(plan, plan.baseline, before) as model:
        unedited = measure_branches(model, windows, plan.taps, store)
    with _live(plan, plan.subject, after) as model:
        edited = measure_branches(model, windows, plan.taps, store)
        scales = propose_for_evaluation(plan, after, unedited, edited).scales
        requests = [ScaledRequest(scales=scales, windows=windows)] if scales else []
        sets = measure_scaled(model, requests, store)
    return VarianceMeasured(baseline=unedited, subject=edited, equalized=sets[0] if sets else None)


@contextmanager
def _live(plan: EvaluationPlan, model: ModelIdentity, variant: VariantMeasurement) -> Iterator[LoadedModel]:
    """The model in memory, with the plan's edit if it is the edited one."""
    base = open_checkpoint(model.root)
    loaded = load_model(base, model_digest=model.behaviour(model.digest), dtype="float32", device="cpu")
    edit = plan.edit if variant.edit.name not in (NOOP, CHECKPOINT) else None
    tensors = {} if edit is None else {n: EditedCheckpoint(base, edit).read(n) for n in edit.tensors}
    digest = model.behaviour(variant.weights.model_digest)
    with applied(loaded, tensors, variant_digest=digest) as live:
        yield live
