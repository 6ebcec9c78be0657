"""A variance entry against the rest of its run report: the losses, and the model, data and seed they are of."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pydantic import ConfigDict

from invarlock.errors import InvarlockError
from invarlock.guards.predictive_gate import PredictiveGate, decide_gate
from invarlock.guards.variance_metrics import VarianceMetrics
from invarlock.measure.records import WindowLoss
from invarlock.metrics.paired_windows import pair_losses
from invarlock.policy.variance import VariancePolicy
from invarlock.problems import KeyPath, Problem
from invarlock.record import Record
from invarlock.reports.run_report import DataBlock, ModelBlock, RunMeta
from invarlock.reports.ve_run_report import CalibrationWindows

_RELATIVE, _NATS = 1e-9, 1e-12  # what another machine may round otherwise; the latter near 0


class RunEvidence(Record):
    """The keys of a run report that an entry is held against; the others are not looked at."""

    model_config = ConfigDict(extra="ignore")

    meta: RunMeta
    model: ModelBlock
    data: DataBlock
    windows: CalibrationWindows


def check_evidence(
    path: KeyPath, metrics: VarianceMetrics, policy: VariancePolicy, run: RunEvidence
) -> Iterator[Problem]:
    """What of the entry at ``path`` the run does not bear out, enabled or not."""
    for below, message in (
        *_identities(metrics, run),
        *_windows(metrics, run.windows),
        *_edit_cost(metrics, run.windows),
        *_gate(metrics, policy, run),
    ):
        yield Problem(path + below, message)


def _identities(metrics: VarianceMetrics, run: RunEvidence) -> Iterator[tuple[KeyPath, str]]:
    a: KeyPath = ("ab_test", "provenance", "condition_a")
    condition = metrics.ab_test.provenance.condition_a
    for below, ours, name, theirs in (
        (("ab_test", "seed"), metrics.ab_test.seed, "meta.seed", run.meta.seed),
        ((*a, "model_digest"), condition.model_digest, "model.digest", run.model.digest),
        ((*a, "dataset_hash"), condition.dataset_hash, "data.dataset_hash", run.data.dataset_hash),
        ((*a, "tokenizer_hash"), condition.tokenizer_hash, "data.tokenizer_hash", run.data.tokenizer_hash),
    ):
        if ours != theirs:
            yield below, f"{ours}, but {name} is {theirs}"


def _windows(metrics: VarianceMetrics, windows: CalibrationWindows) -> Iterator[tuple[KeyPath, str]]:
    test = metrics.ab_test.provenance
    for name, condition, losses in (
        ("condition_a", test.condition_a, windows.edited),
        ("condition_b", test.condition_b, windows.equalized),
    ):
        if (condition.window_ids if condition else ()) != tuple(loss.window_id for loss in losses):
            yield ("ab_test", "provenance", name), "its windows are not those of its losses in the run"


def _edit_cost(metrics: VarianceMetrics, windows: CalibrationWindows) -> Iterator[tuple[KeyPath, str]]:
    try:
        cost = _cost_of(windows.edited, windows.baseline)
    except InvarlockError as error:
        yield ("edit_cost",), error.what
        return
    if not _alike(metrics.edit_cost, cost):
        yield ("edit_cost",), f"{metrics.edit_cost}, but the losses of the run give {cost}"


def _cost_of(edited: tuple[WindowLoss, ...], baseline: tuple[WindowLoss, ...]) -> float | None:
    return pair_losses(edited, baseline, arms=("A (edited)", "the base")).mean if baseline else None


def _gate(
    metrics: VarianceMetrics, policy: VariancePolicy, run: RunEvidence
) -> Iterator[tuple[KeyPath, str]]:
    try:
        expected = decide_gate(
            metrics.proposal.scales,
            run.windows.edited,
            run.windows.equalized,
            asked=run.data.calibration_windows,
            policy=policy,
        )
    except InvarlockError as error:
        yield ("predictive_gate",), f"cannot be decided anew: {error.what}"
        return
    for name in _numbers(expected):
        ours, theirs = getattr(metrics.predictive_gate, name), getattr(expected, name)
        if not _alike(ours, theirs):
            yield ("predictive_gate", name), f"{ours}, but the losses of the run give {theirs}"


def _numbers(expected: PredictiveGate) -> tuple[str, ...]:
    """What to compare. Where there is an interval the reason is read from the recorded one, else here alone."""
    numbers = ("evaluated", "delta_ci", "mean_delta", "deviation", "ci_method", "windows")
    return numbers if expected.evaluated else (*numbers, "reason")


def _alike(ours: object, theirs: object) -> bool:
    if isinstance(ours, tuple) and isinstance(theirs, tuple):
        return len(ours) == len(theirs) and all(map(_alike, ours, theirs))
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=_RELATIVE, abs_tol=_NATS)
    return ours == theirs
