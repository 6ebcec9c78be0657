"""``null_sweep_report.json``: what a null sweep found, with all that an auditor needs to recompute it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from invarlock.calibration.drift_caps import DriftCapRecommendation
from invarlock.calibration.null_plan import Cell, NullSweepPlan
from invarlock.calibration.null_records import NullSummary
from invarlock.digests import digest_of
from invarlock.measure.records import VariantMeasurement
from invarlock.provenance import CodeVersion
from invarlock.record import Record
from invarlock.reports.run_report import RunReport

VOLATILE = ("generated_at", "volatile")


class SweepSettings(Record):
    """The options that the sweep ran with."""

    base_config: str
    config_sha256: str
    basis: str
    profile: str
    tiers: tuple[str, ...]
    seeds: tuple[int, ...]
    models: tuple[str, ...]
    n_runs: int
    null: str
    cap_rule: str
    safety_margin: float
    target_any_warning_rate: float


class DistinctMeasurements(Record):
    """What the sweep needs, each thing counted once: the price of a first run on an empty store.

    window_losses: forward passes of one window, and how many it would be run by run; tensor_statistics:
    matrices to estimate; drifts: moved matrices to compare; model_digests: checkpoints to hash.
    """

    window_losses: int
    window_losses_run_by_run: int
    tensor_statistics: int
    drifts: int
    model_digests: int


class Provenance(Record):
    """Hex SHA-256 of everything that went in."""

    run_key: str
    models: Mapping[str, str]
    datasets: Mapping[str, str]
    schedules: Mapping[str, str]
    policies: Mapping[str, str]
    tiers_sha256: str
    estimator_contract: str
    code: CodeVersion


class Work(Record):
    """What this very execution did; a repeat does less. seconds: wall time by part; commit: of a checkout."""

    window_losses_measured: int
    window_losses_found: int
    tensor_statistics_measured: int
    tensor_statistics_found: int
    quarantined: tuple[str, ...]
    seconds: Mapping[str, float]
    host: str
    commit: str | None
    mlflow_run_id: str


class NullSweepReport(Record):
    """The record behind ``null_sweep_report.json``. ``generated_at`` and ``volatile`` differ between runs."""

    schema_version: Literal["null-sweep-report/1"] = "null-sweep-report/1"
    kind: Literal["spectral_null_sweep"] = "spectral_null_sweep"
    generated_at: str
    config: SweepSettings
    summaries: Mapping[str, NullSummary]
    drift_caps: DriftCapRecommendation | None
    measurements: DistinctMeasurements
    provenance: Provenance
    volatile: Work

    @property
    def content_sha256(self) -> str:
        """Hash of the canonical JSON without the volatile keys: equal for two runs of one sweep."""
        content = self.model_dump(mode="json")
        return digest_of({key: value for key, value in content.items() if key not in VOLATILE})


def distinct_measurements(
    plan: NullSweepPlan, variants: Iterable[VariantMeasurement], runs: Mapping[Cell, RunReport]
) -> DistinctMeasurements:
    """What ``plan`` needed, given the measurement of each variant and the report of each run."""
    windows: set[tuple[str, str]] = set()
    for cell, run in runs.items():
        schedule = plan.model_of(cell).windows.schedules[cell.seed]
        for digest in (run.model.digest, run.model.baseline_digest):
            windows |= {(digest, window) for window in schedule.preview + schedule.final}
    tensors: set[str] = set()
    moved: set[tuple[str, str, str]] = set()
    for variant in variants:
        for module in variant.weights.modules:
            tensors.add(module.tensor_sha256)
            if variant.drift[module.name].relative_change > 0:
                moved.add((variant.baseline_digest, module.name, module.tensor_sha256))
    return DistinctMeasurements(
        window_losses=len(windows),
        window_losses_run_by_run=plan.windows_run_by_run(),
        tensor_statistics=len(tensors),
        drifts=len(moved),
        model_digests=len(plan.models),
    )


def settings_of(plan: NullSweepPlan) -> SweepSettings:
    """The options of ``plan`` as the report shows them."""
    return SweepSettings(
        base_config=plan.config_input.name,
        config_sha256=plan.config_input.sha256,
        basis=plan.config.basis.value,
        profile=plan.profile,
        tiers=tuple(tier.value for tier in plan.tiers),
        seeds=plan.seeds,
        models=tuple(model.identity.reference for model in plan.models),
        n_runs=len(plan.tiers) * len(plan.seeds) * len(plan.models),
        null=plan.null.value,
        cap_rule=plan.cap_rule.value,
        safety_margin=plan.safety_margin,
        target_any_warning_rate=plan.target_any_warning_rate,
    )


def provenance_of(plan: NullSweepPlan) -> Provenance:
    """The digests of everything that ``plan`` names."""
    return Provenance(
        run_key=plan.run_key,
        models={model.label: model.identity.digest for model in plan.models},
        datasets={model.label: model.windows.dataset_hash for model in plan.models},
        schedules={
            f"{model.label}/seed_{seed}": schedule.digest
            for model in plan.models
            for seed, schedule in model.windows.schedules.items()
        },
        policies={tier.value: policy.sha256 for tier, policy in plan.policies.items()},
        tiers_sha256=plan.tiers_input.sha256,
        estimator_contract=plan.contract.digest16,
        code=plan.code,
    )
