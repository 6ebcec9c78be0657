"""What the report of every kind of sweep says beside its summaries: options, provenance and work."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from invarlock.calibration.sweep_plan import M, SweepPlan
from invarlock.digests import digest_of
from invarlock.measure.records import VariantMeasurement
from invarlock.provenance import CodeVersion
from invarlock.record import Record

VOLATILE = ("generated_at", "volatile")


class SweepOptions(Record):
    """The options that a sweep ran with."""

    base_config: str
    config_sha256: str
    basis: str
    profile: str
    tiers: tuple[str, ...]
    seeds: tuple[int, ...]
    models: tuple[str, ...]
    n_runs: int
    safety_margin: float


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


class Work(Record):
    """What this very execution did; a repeat does less.

    measured, found: kind of measurement to how many were made now and how many were in the store; forward_passes:
    whole passes of one window, a pass that starts half-way counts half; seconds: wall time by part; commit: of a
    checkout.
    """

    measured: Mapping[str, int]
    found: Mapping[str, int]
    forward_passes: float
    quarantined: tuple[str, ...]
    seconds: Mapping[str, float]
    host: str
    commit: str | None
    mlflow_run_id: str


class CalibrationReport(Record):
    """What every report has. ``generated_at`` and ``volatile`` differ between runs."""

    kind: str
    generated_at: str
    volatile: Work

    @property
    def content_sha256(self) -> str:
        """Hash of the canonical JSON without the volatile keys: equal for two runs of one sweep."""
        content = self.model_dump(mode="json")
        return digest_of({key: value for key, value in content.items() if key not in VOLATILE})


class SweepReport(CalibrationReport):
    """The part that the reports of all sweeps share."""

    config: SweepOptions
    measurements: DistinctMeasurements
    provenance: Provenance


def options_of(plan: SweepPlan[M], n_runs: int) -> SweepOptions:
    """The options of ``plan`` as its report shows them."""
    return SweepOptions(
        base_config=plan.config_input.name,
        config_sha256=plan.config_input.sha256,
        basis=plan.config.basis.value,
        profile=plan.profile,
        tiers=tuple(tier.value for tier in plan.tiers),
        seeds=plan.seeds,
        models=tuple(model.identity.reference for model in plan.models),
        n_runs=n_runs,
        safety_margin=plan.safety_margin,
    )


def distinct_measurements(
    windows: Collection[tuple[str, str]],
    run_by_run: int,
    variants: Iterable[VariantMeasurement],
    *,
    model_digests: int,
) -> DistinctMeasurements:
    """The counts of a sweep. windows: (variant, window id) of every loss that a run rests on, each once."""
    tensors: set[str] = set()
    moved: set[tuple[str, str, str]] = set()
    for variant in variants:
        for module in variant.weights.modules:
            tensors.add(module.tensor_sha256)
            if variant.drift[module.name].relative_change > 0:
                moved.add((variant.baseline_digest, module.name, module.tensor_sha256))
    return DistinctMeasurements(
        window_losses=len(windows),
        window_losses_run_by_run=run_by_run,
        tensor_statistics=len(tensors),
        drifts=len(moved),
        model_digests=model_digests,
    )


def provenance_of(plan: SweepPlan[M]) -> Provenance:
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
