"""The numbers that seeds 001, 002 and 003 print, as the shipped policy, profiles and functions give them.

Beside these: the worked kappa example (tests/calibration/test_null.py), who wins among policy layers
(tests/policy/test_resolution.py), the tail's quantile by hand (tests/gates/test_tail.py).
"""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import pytest

from invarlock.evaluation.preset import load_edit_config
from invarlock.families import Family
from invarlock.gates.support import GateStatus, weigh_support
from invarlock.guards.predictive_gate import GateReason, weigh_interval
from invarlock.guards.rmt import judge_rmt
from invarlock.home import find_config
from invarlock.policy.profiles import load_profile
from invarlock.policy.resolution import Layer, resolve_policy
from invarlock.policy.schema import Tier, TierPolicy
from invarlock.stats.tails import two_sided_p
from tests.guards.edge_records import record

OVERRIDE = """
guards:
  spectral:
    family_caps:
      ffn: {kappa: 1.89}
      attn: {kappa: 2.73}
      embed: {kappa: 1.5}
      other: {kappa: 1.2}
"""
RAW = """
guards:
  spectral:
    family_caps: {ffn: 1.89, attn: 2.73, embed: 1.5, other: 1.2}
"""


def policy_of(tier: str) -> TierPolicy:
    return resolve_policy(tier).policy


@pytest.mark.parametrize(
    ("aspect", "balanced", "conservative"),
    [
        (lambda policy: policy.metrics.pm_ratio.ratio_limit_base, 1.10, 1.05),
        (lambda policy: policy.spectral.sigma_quantile, 0.95, 0.90),
        (lambda policy: policy.spectral.deadband, 0.10, 0.05),
        (lambda policy: policy.spectral.max_caps, 5, 3),
        (lambda policy: set(policy.rmt.epsilon_by_family.values()), {0.01}, {0.01}),
        (lambda policy: policy.variance.predictive_gate, True, True),
        (lambda policy: policy.variance.predictive_one_sided, True, False),
        (lambda policy: policy.variance.min_effect_lognll, 0.0, 0.016),
        (lambda policy: policy.metrics.sampling.min_bootstrap_replicates, 1200, 1500),
        (lambda policy: policy.metrics.sampling.min_windows, 180, 220),
    ],
)
def test_quick_comparison_of_seed_002(aspect, balanced, conservative):
    assert (aspect(policy_of("balanced")), aspect(policy_of("conservative"))) == (balanced, conservative)


@pytest.mark.parametrize(
    ("tier", "knobs"),
    [("balanced", (0.02, 0.012, 0.03, 0.0, True, 1)), ("conservative", (0.03, 0.02, 0.015, 0.016, False, 0))],
)
def test_tier_knobs_of_seed_003(tier, knobs):
    variance = policy_of(tier).variance
    assert knobs == (
        variance.deadband,
        variance.min_abs_adjust,
        variance.max_scale_step,
        variance.min_effect_lognll,
        variance.predictive_one_sided,
        variance.max_adjusted_modules,
    )


@pytest.mark.parametrize(
    ("tier", "mean", "interval", "reason"),
    [
        ("balanced", -0.002, (-0.003, -0.001), GateReason.CI_GAIN_MET),
        ("conservative", -0.020, (-0.030, -0.017), GateReason.CI_GAIN_MET),
        ("conservative", -0.008, (-0.015, -0.002), GateReason.GAIN_BELOW_THRESHOLD),
        ("conservative", -0.018, (-0.020, -0.016), GateReason.CI_GAIN_MET),  # upper bound <= -min_effect
        ("conservative", -0.018, (-0.020, -0.0159), GateReason.GAIN_BELOW_THRESHOLD),
        ("conservative", 0.020, (0.017, 0.030), GateReason.REGRESSION_DETECTED),
    ],
)
def test_gate_examples_of_seed_003(tier, mean, interval, reason):
    assert weigh_interval(mean, interval, min_effect=policy_of(tier).variance.min_effect_lognll) is reason


@pytest.mark.parametrize("text", [OVERRIDE, RAW])
def test_the_override_of_seed_001_is_laid_over_the_tier(tmp_path: Path, text):
    path = tmp_path / "override.yaml"
    path.write_text(text)
    resolved = resolve_policy("balanced", guards=load_edit_config(path).guards)
    assert resolved.policy.spectral.family_caps == {
        Family.FFN: 1.89,
        Family.ATTN: 2.73,
        Family.EMBED: 1.5,
        Family.OTHER: 1.2,
    }
    by_config = {path for path, layer in resolved.origins.items() if layer is Layer.CONFIG}
    assert by_config == {f"spectral.family_caps.{family.value}" for family in Family}
    kept = resolved.policy.spectral.model_copy(
        update={"family_caps": policy_of("balanced").spectral.family_caps}
    )
    assert kept == policy_of("balanced").spectral


def test_both_spellings_of_a_cap_are_one_policy(tmp_path: Path):
    digests = set()
    for text in (OVERRIDE, RAW):
        path = tmp_path / "override.yaml"
        path.write_text(text)
        digests.add(resolve_policy("balanced", guards=load_edit_config(path).guards).sha256)
    assert len(digests) == 1


def test_the_committed_override_starts_at_the_balanced_tier():
    path = find_config(Path("configs/overrides/spectral_balanced_local.example.yaml"))
    guards = load_edit_config(path).guards
    assert guards.given() != {}
    assert resolve_policy("balanced", guards=guards).policy == policy_of("balanced")


@pytest.mark.parametrize(("profile", "windows", "replicates"), [("ci", 240, 1200), ("release", 400, 3200)])
@pytest.mark.parametrize(("tier", "floor"), [("balanced", 180), ("conservative", 220)])
def test_window_minima_of_seed_001(profile, windows, replicates, tier, floor):
    found = load_profile(profile)
    assert (found.preview_n, found.final_n, found.bootstrap_replicates) == (windows, windows, replicates)
    assert policy_of(tier).metrics.sampling.min_windows == floor < windows


@pytest.mark.parametrize(("risk", "accepted"), [(3.0, True), (3.03, True), (3.0301, False), (2.5, True)])
@pytest.mark.parametrize("tier", list(Tier))
def test_the_acceptance_rule_of_seed_001(tier, risk, accepted):
    report = judge_rmt(record(), record({"attn": risk}), policy_of(tier).rmt)  # the baseline's attn: 3.0
    assert report.passed is accepted
    assert report.metrics.families[Family.ATTN].delta == pytest.approx(risk / 3.0 - 1)


@pytest.mark.parametrize(
    ("tier", "seen", "available", "floor", "status"),
    [
        ("balanced", 49_999, 1_000_000, 50_000, GateStatus.UNDERPOWERED),
        ("balanced", 50_000, 5_000_000, 50_000, GateStatus.ENFORCED),
        ("balanced", 50_000, 5_000_001, 50_001, GateStatus.UNDERPOWERED),  # ceil(available x 0.01)
        ("conservative", 20_000, 2_000_000, 20_000, GateStatus.ENFORCED),
    ],
)
def test_token_floors_of_seed_002(tier, seen, available, floor, status):
    gate = policy_of(tier).metrics.pm_ratio
    evidence = weigh_support(seen, available, minimum=gate.min_tokens, fraction=gate.min_token_fraction)
    assert (evidence.floor, evidence.status) == (floor, status)


@pytest.mark.parametrize(
    ("kappa", "tail"), [(1.89, 0.05876), (2.73, 0.00633), (1.47, 0.14156), (1.155, 0.24809)]
)
def test_gaussian_tails_of_seed_001s_caps(kappa, tail):
    assert two_sided_p(kappa) == pytest.approx(tail, abs=5e-6)
    assert two_sided_p(kappa) == pytest.approx(2 * (1 - NormalDist().cdf(kappa)), abs=1e-12)
