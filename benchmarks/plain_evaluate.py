"""One evaluation of the demo model in its plainest forms. Run by ``benchmarks.evaluate``.

    python -m benchmarks.plain_evaluate bare SUBJECT      # forward passes of both models, one after another, no more
    python -m benchmarks.plain_evaluate losses SUBJECT    # both models' kept losses, the ratio and its interval
    python -m benchmarks.plain_evaluate library SUBJECT   # that and every guard, gate and verdict

Prints as JSON the seconds of the work (after the imports), those of the passes of ``bare``, and the passes counted
by hooks.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.pass_count import PassCount
from benchmarks.plain_evaluation import PlainEvaluations
from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.evaluation.request import EvaluationRequest
from invarlock.home import home
from invarlock.measure.losses import measure_losses, run_windows
from invarlock.measure.models import LoadedModel
from invarlock.measure.records import ModelIdentity
from invarlock.metrics.paired_ratio import ratio_with_interval
from invarlock.metrics.paired_windows import pair_losses
from invarlock.reports.compare_runs import compare_runs
from invarlock.reports.judge_runs import judge_runs
from invarlock.store.measurement_store import MeasurementStore

BASELINE = "bundled:pydocs-gpt2"
PRESET = Path("configs/presets/causal_lm/python_docs_128.yaml")


@dataclass(frozen=True)
class CountedEvaluations(PlainEvaluations):
    """Each model that is loaded is hooked."""

    counts: list[PassCount] = field(default_factory=list)

    def live(self, plan: EvaluationPlan, model: ModelIdentity) -> LoadedModel:
        """The same, counted."""
        loaded = super().live(plan, model)
        self.counts.append(PassCount(loaded))
        return loaded


def request(subject: str) -> EvaluationRequest:
    """Profile ci, tier balanced."""
    return EvaluationRequest(baseline=BASELINE, subject=subject, preset=PRESET)


def bare(evaluations: PlainEvaluations, subject: str) -> Mapping[str, float]:
    """Every pass of both models."""
    plan = evaluations.plan(subject)
    models = [evaluations.live(plan, model) for model in (plan.baseline, plan.subject)]
    windows = evaluations.windows(plan)
    start = time.perf_counter()
    for live in models:
        for window in windows:
            run_windows(live, [window])
    return {"passes_s": time.perf_counter() - start}


def losses(evaluations: PlainEvaluations, subject: str) -> Mapping[str, float]:
    """An evaluation without guards."""
    plan = evaluations.plan(subject)
    windows, final = evaluations.windows(plan), len(plan.schedule.preview)
    ours, theirs = (
        measure_losses(evaluations.live(plan, model), windows, evaluations.store)[final:]
        for model in (plan.subject, plan.baseline)
    )
    pairs = pair_losses(ours, theirs, arms=("the subject", "the baseline"))
    ratio_with_interval(pairs, replicates=plan.replicates, seed=plan.schedule.seed)
    return {}


def library(evaluations: PlainEvaluations, subject: str) -> Mapping[str, float]:
    """A whole evaluation but for its files."""
    start = time.perf_counter()
    plan = evaluations.plan(subject)
    planned = time.perf_counter()
    measured = evaluations.measured(plan)
    judging = time.perf_counter()
    runs = judge_runs(plan, measured)
    report = compare_runs(runs.baseline, runs.subject)
    return {
        "plan_s": planned - start,
        "measure_s": judging - planned,
        "judge_s": time.perf_counter() - judging,
        "exit_code": report.verdict.exit_code,
    }


FORMS = {"bare": bare, "losses": losses, "library": library}

if __name__ == "__main__":
    form, edited = sys.argv[1:]
    begun = time.perf_counter()
    counted = CountedEvaluations(request(edited), MeasurementStore(home() / "measurements"))
    printed = FORMS[form](counted, edited)
    passes = sum(count.passes for count in counted.counts)
    print(json.dumps({"work_s": time.perf_counter() - begun, "passes": passes, **printed}))
