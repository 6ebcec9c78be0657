"""The YAML that starts a sweep, parsed once into a frozen record."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import Field, JsonValue

from invarlock.data.dataset_spec import DatasetSpec
from invarlock.errors import ConfigError
from invarlock.home import find_config
from invarlock.measure.records import EstimatorContract
from invarlock.policy.schema import GuardOverrides, TierPolicy
from invarlock.record import Record
from invarlock.yaml_source import load_yaml_record


class Dtype(StrEnum):
    """Arithmetic of the forward passes. Weight statistics are float32 or better whatever this says."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class ModelSpec(Record):
    """The ``model:`` block."""

    id: str = Field(min_length=1, description="Folder, hub id, or bundled:NAME")
    dtype: Dtype = Dtype.FLOAT32
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N")


class EditSpec(Record):
    """The ``edit:`` block: a registered edit and its plan."""

    name: str = "noop"
    plan: Mapping[str, JsonValue] = Field(default_factory=dict)


class EvalSpec(Record):
    """The ``eval:`` block: window counts for profile ``dev`` and the batch of a forward pass."""

    preview_n: int = Field(default=32, ge=1)
    final_n: int = Field(default=32, ge=1)
    batch_size: int | None = Field(default=None, ge=1, description="Windows a forward pass; null = by device")


class Basis(StrEnum):
    """Whether the published assurance basis covers this configuration (seed 000)."""

    PUBLISHED = "published"
    PILOT = "pilot"
    DEMO = "demo"
    LOCAL = "local"  # your own


class SweepConfig(Record):
    """A calibration config, such as ``configs/calibration/null_sweep_ci.yaml``."""

    basis: Basis = Basis.LOCAL
    model: ModelSpec
    dataset: DatasetSpec
    edit: EditSpec = EditSpec()
    eval: EvalSpec = EvalSpec()
    estimator: EstimatorContract | None = Field(default=None, description="Null = the converged default")
    guards: GuardOverrides = TierPolicy()


def load_sweep_config(path: Path) -> SweepConfig:
    """Read and check a sweep config. ConfigError names file, line and key path of every problem."""
    found = find_config(path)
    if not found.is_file():
        raise ConfigError(
            f"no config file {path}",
            where=path,
            fix="give an existing YAML file, e.g. one under configs/calibration/",
        )
    return load_yaml_record(found, SweepConfig, error=ConfigError)
