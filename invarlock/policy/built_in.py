"""The tiers that the product starts from. The balanced one is the schema's own defaults.

A test keeps these equal to the shipped ``runtime/tiers.yaml``, which leaves out what operators rarely set:
the sampling floors, the variance target and clamp, and the variance calibration windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from invarlock.families import Family
from invarlock.policy.metrics import AccuracyGate, MetricsPolicy, RatioGate, SamplingFloors, TailGate
from invarlock.policy.rmt import RmtPolicy
from invarlock.policy.schema import Tier, TierPolicy
from invarlock.policy.spectral import Correction, MultipleTesting, Scope, SpectralPolicy
from invarlock.policy.variance import VariancePolicy

_CONSERVATIVE = TierPolicy(
    metrics=MetricsPolicy(
        pm_ratio=RatioGate(ratio_limit_base=1.05, min_tokens=20_000),
        pm_tail=TailGate(quantile_max=0.12),
        accuracy=AccuracyGate(delta_min_pp=-0.5),
        sampling=SamplingFloors(min_windows=220, min_bootstrap_replicates=1500),
    ),
    spectral=SpectralPolicy(
        sigma_quantile=0.90,
        deadband=0.05,
        scope=Scope.FFN,
        max_caps=3,
        family_caps={Family.FFN: 3.849, Family.ATTN: 2.6, Family.EMBED: 2.8, Family.OTHER: 2.8},
        multiple_testing=MultipleTesting(method=Correction.BONFERRONI, alpha=0.000625),
    ),
    rmt=RmtPolicy(deadband=0.05, margin=1.3),
    variance=VariancePolicy(
        deadband=0.03,
        min_abs_adjust=0.02,
        max_scale_step=0.015,
        min_effect_lognll=0.016,
        predictive_one_sided=False,
        topk_backstop=0,
        max_adjusted_modules=0,
        max_calib=160,
        calibration_windows=10,
    ),
)

_AGGRESSIVE = TierPolicy(
    metrics=MetricsPolicy(
        pm_ratio=RatioGate(ratio_limit_base=1.20),
        pm_tail=TailGate(quantile_max=0.30),
        accuracy=AccuracyGate(delta_min_pp=-2.0),
        sampling=SamplingFloors(min_windows=140, min_bootstrap_replicates=800),
    ),
    spectral=SpectralPolicy(
        sigma_quantile=0.98,
        deadband=0.15,
        scope=Scope.FFN,
        max_caps=8,
        family_caps={Family.FFN: 3.849, Family.ATTN: 3.5, Family.EMBED: 2.5, Family.OTHER: 3.5},
        multiple_testing=MultipleTesting(alpha=0.00078125),
    ),
    rmt=RmtPolicy(deadband=0.15, margin=1.8),
    variance=VariancePolicy(
        deadband=0.12, min_effect_lognll=0.033, max_adjusted_modules=0, max_calib=240, calibration_windows=6
    ),
)

BUILT_IN: Mapping[Tier, TierPolicy] = MappingProxyType(
    {Tier.BALANCED: TierPolicy(), Tier.CONSERVATIVE: _CONSERVATIVE, Tier.AGGRESSIVE: _AGGRESSIVE}
)
