"""A run of a VE sweep on small arms, as the JSON that the lint reads, and changes to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from invarlock.guards.variance import judge_variance
from invarlock.measure.records import WindowLoss
from invarlock.policy.resolution import resolve_policy
from invarlock.policy.schema import TierPolicy
from invarlock.policy.variance import VariancePolicy
from invarlock.problems import dotted
from invarlock.provenance import CodeVersion
from invarlock.reports.enablement import check_enablement
from invarlock.reports.run_report import DataBlock, EditBlock, ModelBlock, RunMeta
from invarlock.reports.ve_run_report import CalibrationWindows, VeRunReport
from tests.guards.variance_arms import predictive_test, propose, tap

Json = dict[str, Any]
Change = Callable[[Json], None]

GAIN = [-0.020, -0.024, -0.018, -0.022, -0.021, -0.019]
POLICY = VariancePolicy(max_adjusted_modules=2, min_effect_lognll=0.016)
MODULE = tap(0).module


def run_report(deltas: list[float], alphas: dict[int, float] | None = None, **policy: object) -> Json:
    """``report.json`` of a run whose edit touched the feed-forward of every block; two of them need a scale."""
    resolved = resolve_policy(
        "conservative", guards=TierPolicy(variance=VariancePolicy(**(dict(POLICY) | policy)))
    )
    variance = resolved.policy.variance
    proposal = propose(alphas or {0: 1.05, 1: 0.95, 2: 1.0}, **dict(variance))
    test = predictive_test(deltas, run=proposal.scales is not None)
    equalized: tuple[WindowLoss, ...] = ()
    if proposal.scales is not None and test.equalized is not None:
        equalized = test.equalized.losses
        digest = proposal.scales.variant_of(test.edited.model_digest)
        arm = test.equalized.model_copy(update={"model_digest": digest})
        test = test.model_copy(update={"equalized": arm})
    assert test.base is not None
    report = VeRunReport(
        meta=RunMeta(
            tier="conservative",
            profile="dev",
            seed=test.seed,
            model_id="small",
            dtype="float32",
            device="cpu",
            code=CodeVersion(version="0", sha256="c" * 64, python="3", packages={}),
            determinism="as it is",
        ),
        model=ModelBlock(id="small", digest=test.edited.model_digest, baseline_digest=test.base.model_digest),
        data=DataBlock(
            provider="synthetic",
            seq_len=101,
            stride=101,
            dataset_hash=test.dataset_hash,
            tokenizer_hash=test.tokenizer_hash,
            schedule_digest="f" * 64,
            preview_windows=0,
            final_windows=0,
            calibration_windows=test.asked,
            window_floor=1,
            underpowered=None,
        ),
        edit=EditBlock(
            name="quant_rtn",
            plan={"modules": [each.tap.module for each in proposal.taps]},
            digest="1" * 64,
            deltas={},
            errors={},
        ),
        guards=(judge_variance(proposal, test, variance),),
        windows=CalibrationWindows(baseline=test.base.losses, edited=test.edited.losses, equalized=equalized),
        resolved_policy=resolved.policy,
        policy_provenance=resolved.provenance,
        artifacts={},
    )
    parsed: Json = json.loads(report.model_dump_json())
    return parsed


def evaluation_report(deltas: list[float], alphas: dict[int, float] | None = None, **policy: object) -> Json:
    """The blocks of an evaluation report that the lint reads: the same entry, without the losses."""
    run = run_report(deltas, alphas, **policy)
    return {"variance": run["guards"][0]["metrics"], "resolved_policy": run["resolved_policy"]}


def places(report: Json) -> list[str]:
    """Where the lint finds something."""
    return [dotted(problem.path) for problem in check_enablement(report)]


def _parent_of(report: Json, path: str) -> tuple[Any, Any]:
    *parents, last = (int(name) if name.isdecimal() else name for name in path.split("."))
    parent: Any = report
    for name in parents:
        parent = parent[name]
    assert isinstance(parent, list) or last in parent
    return parent, last


def set_at(path: str, value: object) -> Change:
    """Put ``value`` at a key that is there; numbers in ``path`` are positions."""

    def change(report: Json) -> None:
        parent, last = _parent_of(report, path)
        parent[last] = value

    return change


def leave_out(path: str) -> Change:
    def change(report: Json) -> None:
        parent, last = _parent_of(report, path)
        del parent[last]

    return change


def both(*changes: Change) -> Change:
    def change(report: Json) -> None:
        for each in changes:
            each(report)

    return change
