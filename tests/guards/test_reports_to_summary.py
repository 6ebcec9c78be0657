"""The guard's own reports, through JSON, into the null summary and back into a policy."""

import json

import numpy as np
import pytest

from invarlock.calibration.drift_caps import recommend_drift_caps
from invarlock.calibration.null import summarize_null_sweep_reports
from invarlock.calibration.null_reports import read_observation
from invarlock.guards.report import GuardReport, Verdict
from invarlock.guards.spectral import judge_spectral
from invarlock.policy.schema import SpectralPolicy
from tests.guards.measured_matrices import drift_between, measure_all

LOOSE = SpectralPolicy(family_caps={"ffn": 9.0, "attn": 9.0, "embed": 9.0, "other": 9.0})


def judge(baseline, subject, policy=LOOSE) -> GuardReport:
    return judge_spectral(
        measure_all(baseline), measure_all(subject), policy, drift_between(subject, baseline)
    )


def run_report(entry: GuardReport) -> dict[str, object]:
    return json.loads(json.dumps({"meta": {"tier": "balanced"}, "guards": [entry.model_dump(mode="json")]}))


def noisy(weights, seed):
    rng = np.random.default_rng(seed)
    size = 0.01 * rng.lognormal(sigma=0.3)
    return {name: w + size * rng.standard_normal(w.shape) for name, w in weights.items()}


def test_caps_from_no_op_runs_allow_the_no_op(weights):
    entry = judge(weights, weights)
    summary = summarize_null_sweep_reports([run_report(entry)] * 10, tier="balanced")
    assert summary["evidence"]["n_effective"] == 1
    caps = summary["recommendations"]["family_caps"]
    for family, kappa in caps.items():
        largest = max(abs(z) for name, z in entry.metrics.final_z_scores.items() if name.startswith(family))
        assert kappa == round(1.05 * largest, 3)
    assert summary["fixed"] == {"deadband": 0.1, "scope": "all", "max_caps": 5, "max_spectral_norm": None}
    assert judge(weights, weights, SpectralPolicy(family_caps=caps)).verdict is Verdict.ALLOW


def test_tolerance_caps_pass_fresh_benign_edits_and_stop_one_with_a_direction(weights):
    runs = [read_observation(run_report(judge(weights, noisy(weights, seed))), seed) for seed in range(79)]
    recommendation = recommend_drift_caps(runs, target=0.05)
    assert recommendation.supported
    gated = LOOSE.model_copy(
        update={"drift_caps": SpectralPolicy.model_validate({"drift_caps": recommendation.caps}).drift_caps}
    )
    fresh = [judge(weights, noisy(weights, 1000 + seed), gated).verdict for seed in range(100)]
    assert fresh.count(Verdict.BLOCK) <= 10
    rng = np.random.default_rng(9)
    u, v = rng.standard_normal(24), rng.standard_normal(16)
    spike = np.outer(u, v) / np.linalg.norm(np.outer(u, v))
    noise = 0.01 * np.linalg.norm(rng.standard_normal((24, 16)))
    planted = weights | {"ffn.4": weights["ffn.4"] + noise * spike}
    report = judge(weights, planted, gated)
    assert report.verdict is Verdict.BLOCK
    assert {(v.type, v.module) for v in report.violations} == {("drift_cap", "ffn.4")}
    assert judge(weights, planted).verdict is Verdict.ALLOW  # z alone does not see it


@pytest.mark.parametrize("drift", [True, False])
def test_observations_carry_the_drift_that_was_measured(weights, drift):
    subject = noisy(weights, 1)
    moved = drift_between(subject, weights) if drift else None
    entry = judge_spectral(measure_all(weights), measure_all(subject), LOOSE, moved)
    observation = read_observation(run_report(entry), 0)
    assert bool(observation.max_drift) is drift
    if drift:
        edges = [d.edit_edge for name, d in moved.items() if name.startswith("attn")]
        assert observation.max_drift["attn"]["edit_edge"] == max(edges)
