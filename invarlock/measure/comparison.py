"""Weight statistics of a checkpoint, and how far it moved from another: what ``invarlock measure`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.measure.drift import measure_drift
from invarlock.measure.records import Drift, WeightMeasurement
from invarlock.measure.sigma_max import CONVERGED
from invarlock.measure.weights import measure_weights
from invarlock.store.measurement_store import MeasurementStore


@dataclass(frozen=True)
class Comparison:
    """Statistics by module, and drift by module name when there is a baseline."""

    weights: WeightMeasurement
    drift: Mapping[str, Drift]

    def as_json(self) -> dict[str, JsonValue]:
        """``{model_digest, contract, modules: [...]}``, the drift fields among each module's own."""
        modules: list[JsonValue] = []
        for module in self.weights.modules:
            moved = self.drift.get(module.name)
            modules.append(module.model_dump(mode="json") | (moved.model_dump(mode="json") if moved else {}))
        return {
            "model_digest": self.weights.model_digest,
            "contract": self.weights.contract.model_dump(mode="json"),
            "modules": modules,
        }


def compare(subject: TensorSource, baseline: TensorSource | None, store: MeasurementStore) -> Comparison:
    """Measure ``subject``, and its drift from ``baseline`` when there is one."""
    drift = measure_drift(subject, baseline, store, CONVERGED) if baseline is not None else {}
    return Comparison(weights=measure_weights(subject, store, CONVERGED), drift=drift)
