"""A tau sweep in MLflow: one run, with the samples by their hash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from invarlock.calibration.tau_plan import TauSweepPlan
from invarlock.reports.tau_sweep_report import TauSweepReport
from invarlock.tau.tau_point import TauPoint
from tasks.tracking import Tracker
from tasks.tracking_records import RunHandle

KIND = "tau-sweep"


@contextmanager
def tau_sweep_logged(tracker: Tracker, plan: TauSweepPlan) -> Iterator[RunHandle]:
    """The run of ``plan``; marked FAILED when the block does not end well."""
    name = f"{KIND} {plan.options.head} {plan.options.files['q_abs']}"
    tags = {"invarlock.kind": KIND, "invarlock.head": plan.options.head}
    run = tracker.sweep_run(plan.run_key, name, _params(plan), tags)
    with tracker.failing(run):
        yield run


def tau_sweep_metrics(report: TauSweepReport) -> dict[str, float]:
    """What was found: the thresholds, and what they do to either split."""
    if report.calibration is None:
        return {}
    choice, train = report.calibration.recommendation, report.tau_train
    points = {"calibration": choice.calibration, "evaluation": report.calibration.evaluation}
    found: dict[str, float | None] = {
        "tau_infer": choice.tau_infer,
        "tau_train": train.tau_train if train else None,
        "gap_rate": train.gap_rate if train else None,
        "n_cens": choice.n_cens,
        "n_needed": choice.n_needed,
    }
    for split, point in points.items():
        found |= {f"{split}.{name}": value for name, value in _rates(point).items()} if point else {}
    return {name: float(value) for name, value in found.items() if value is not None}


def _rates(point: TauPoint) -> dict[str, float | None]:
    return {
        "fp_cens": point.fp_cens,
        "fp_cens_upper": point.fp_cens_upper,
        "fn_in": point.fn_in,
        "bottom_rate": point.bottom_rate,
    }


def _params(plan: TauSweepPlan) -> dict[str, str]:
    options, question = plan.options, plan.options.question
    asked = {
        "gate_dtype": question.gate_dtype and question.gate_dtype.value,
        "max_fp": question.requirement and question.requirement.max_fp,
        "confidence": question.requirement and question.requirement.confidence,
        "max_fn": question.requirement and question.requirement.max_fn,
        "max_bottom": question.requirement and question.requirement.max_bottom,
        "tau_train_multiple": question.tau_train_multiple,
        "target_gap_rate": question.target_gap_rate,
        "rows_are_samples": question.rows_are_samples or None,
        "ids_sha256": question.ids and question.ids.sha256,
    }
    return {
        "kind": KIND,
        "run_key": plan.run_key,
        "head": options.head,
        "tiers": " ".join(tier.value for tier in options.tiers),
        "n_taus": str(len(question.taus)),
        "seed": str(question.seed),
        "calibration_share": repr(question.calibration_share),
        "q_abs_sha256": question.q_abs.sha256,
        "labels_sha256": question.labels.sha256,
        "tiers_sha256": plan.tiers_input.sha256,
        "code_sha256": plan.code.sha256,
        **{name: str(value) for name, value in asked.items() if value is not None},
    }
