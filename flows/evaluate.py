"""The evaluation: open, draw, measure, judge, publish, log. Composes tasks; computes nothing."""

from __future__ import annotations

from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run
from prefect.task_runners import ThreadPoolTaskRunner

from flows.conduct import without_heartbeat
from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.errors import EvaluationAborted, MeasurementError
from invarlock.evaluation.evaluation_plan import EvaluationPlan, MetricChoice
from invarlock.evaluation.request import EvaluationRequest
from invarlock.evaluation.settings import EvaluationSettings, read_evaluation_settings
from invarlock.evaluation.variance_targets import variance_targets
from invarlock.home import home
from invarlock.measure.models import pick_device
from invarlock.measure.records import ModelIdentity, VariantMeasurement
from invarlock.measure.sigma_max import CONVERGED
from invarlock.network import apply_network_switch
from invarlock.provenance import code_version
from invarlock.reports.evaluation_result import EvaluationResult, evaluation_result
from invarlock.reports.sweep_folder import claim
from invarlock.reports.sweep_result import Links
from invarlock.store.documents import Reference, References
from tasks.artifacts import flow_run_url
from tasks.count_tokens import count_tokens
from tasks.draw_windows import draw_windows
from tasks.evaluation_log import EXPERIMENT, evaluation_logged, finish_evaluation
from tasks.flow_lease import flow_lease
from tasks.judge_evaluation import EvaluationParts, judge_evaluation
from tasks.measure_subject import VARIANT, WEIGHTS, measure_subject
from tasks.measure_variant import measure_variant
from tasks.open_model import open_model
from tasks.plan_subject_edit import plan_subject_edit
from tasks.propose_equalization import propose_equalization
from tasks.publish_evaluation import publish_evaluation
from tasks.resources import documents, read_record
from tasks.run_arm import run_arm
from tasks.run_branches import run_branches
from tasks.run_scaled import run_scaled
from tasks.show_evaluation import show_evaluation
from tasks.tracking import Tracker
from tasks.work_clock import WorkClock


def run_evaluation(request: EvaluationRequest) -> EvaluationResult:
    """Run :func:`evaluate` in this process."""
    with without_heartbeat():
        return evaluate(request)


def _run_name() -> str:
    request: EvaluationRequest = flow_run.parameters["request"]
    return f"{Path(request.subject).name} {request.tier.value} {request.profile}"


@flow(
    name="evaluate",
    flow_run_name=_run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]  # Prefect: invariant
    persist_result=False,
)
def evaluate(request: EvaluationRequest) -> EvaluationResult:
    """Whether the subject is a safe edit of the baseline (design page 3); see ``invarlock evaluate``."""
    apply_network_switch(request.allow_network)  # a worker's process has not been through the command line
    with flow_lease(home() / "flow_runs"):
        clock = WorkClock()
        plan = plan_evaluation(request, read_evaluation_settings(request))
        clock.lap("plan")
        out = request.report_out or Path("reports/evaluation") / plan.run_key[:12]
        with claim(out, plan.run_key, fresh=request.fresh) as folder:
            tracker = Tracker(home(), EXPERIMENT)
            with evaluation_logged(tracker, plan) as run:
                parts = measure(plan)
                clock.lap("measure")
                judged = judge_evaluation(documents().put(plan), plan.run_key, parts)
                clock.lap("judge")
                work = clock.work(run.run_id)
                published = publish_evaluation(folder, request.out, judged, work)
                finish_evaluation(tracker, run, published.report, folder.out)
        links = Links(
            mlflow_run_id=run.run_id, mlflow_url=tracker.run_url(run.run_id), prefect_url=flow_run_url()
        )
        result = evaluation_result(folder.out, published.runs, published.report, work, links)
        show_evaluation(result)
        return result


def plan_evaluation(request: EvaluationRequest, settings: EvaluationSettings) -> EvaluationPlan:
    """Open both models, check that they can be compared, draw the windows, and settle what the evaluation is."""
    baseline, subject = (
        open_model(reference, allow_network=request.allow_network, allow_pickle=request.allow_pickle)
        for reference in (request.baseline, request.subject)
    )
    dataset = settings.preset.dataset
    planned = plan_subject_edit(baseline, subject, settings.edit, dataset.seq_len)
    windows = draw_windows(
        baseline.root,
        dataset,
        seeds=(request.seed,),
        preview=settings.preview,
        final=settings.final,
        calibration=settings.calibration if planned.taps else 0,
        allow_network=request.allow_network,
    )
    return EvaluationPlan(
        inputs=settings.inputs,
        dataset=dataset,
        profile=request.profile,
        tier=request.tier,
        assurance=request.assurance,
        metric=settings.metric,
        arithmetic=Arithmetic(
            dtype=settings.preset.model.dtype,
            device=pick_device(settings.device),
            batch_size=settings.preset.eval.batch_size,
        ),
        baseline=baseline,
        subject=subject,
        edit=planned.edit,
        taps=planned.taps if request.variance else (),
        windows=windows,
        predictable_tokens=count_tokens(baseline.root, dataset, windows),
        replicates=settings.replicates,
        policy=settings.policy,
        contract=settings.preset.estimator or CONVERGED,
        code=code_version(),
    )


def measure(plan: EvaluationPlan) -> EvaluationParts:
    """Both models' weights and runs; a subject whose weights cannot be measured is not run."""
    try:
        baseline = measure_variant(plan.baseline, None, plan.contract)
    except MeasurementError as error:
        raise EvaluationAborted(f"the baseline: {error.what}", where=error.where, fix=error.fix) from error
    subject: References = measure_subject(plan.subject, plan.baseline, plan.edit, plan.contract)
    variant = subject.items.get(VARIANT)
    return EvaluationParts(
        baseline=baseline,
        baseline_runs=_run(plan, plan.baseline, baseline, edited=False),
        subject=subject.items[WEIGHTS],
        subject_runs=None if variant is None else _run(plan, plan.subject, variant, edited=True),
        branches=None if variant is None else _equalize(plan, baseline, variant),
    )


def _run(plan: EvaluationPlan, model: ModelIdentity, variant: Reference, *, edited: bool) -> Reference:
    return run_arm(
        model,
        variant,
        plan.edit if edited else None,
        plan.dataset,
        plan.windows.tokenizer_hash,
        plan.schedule,
        plan.arithmetic,
        plan.contract,
        count_hits=plan.metric is MetricChoice.ACCURACY,
    )


def _equalize(
    plan: EvaluationPlan, baseline: Reference, subject: Reference
) -> tuple[Reference, Reference, Reference] | None:
    """Both models' branches on the calibration windows, the subject's under proposed scales; None without a target."""
    if not variance_targets(plan, read_record(subject, VariantMeasurement)):
        return None
    drawn = (plan.dataset, plan.windows.tokenizer_hash, plan.schedule, plan.arithmetic)
    base_branches = run_branches(plan.baseline, baseline, None, plan.taps, *drawn)
    branches = run_branches(plan.subject, subject, plan.edit, plan.taps, *drawn)
    proposals = propose_equalization(documents().put(plan), plan.run_key, subject, base_branches, branches)
    return base_branches, branches, run_scaled(plan.subject, subject, plan.edit, proposals, *drawn)
