"""The YAML files of an evaluation: the preset that says on what, the edit config that says what else."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from invarlock.config import Basis, Dtype, EditSpec, EvalSpec
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.errors import ConfigError
from invarlock.evaluation.evaluation_plan import MetricChoice
from invarlock.home import find_config
from invarlock.measure.records import EstimatorContract
from invarlock.policy.schema import GuardOverrides, TierPolicy
from invarlock.record import Record
from invarlock.yaml_source import load_yaml_record


class Arithmetics(Record):
    """The ``model:`` block of a preset: how both models are run; which models they are is said on the command line."""

    dtype: Dtype = Dtype.FLOAT32
    device: str = Field(default="auto", description="auto, cpu, cuda or cuda:N")


class EvaluationSpec(EvalSpec):
    """The ``eval:`` block of a preset."""

    metric: MetricChoice = MetricChoice.PERPLEXITY


class Preset(Record):
    """Such as ``configs/presets/causal_lm/wikitext2_512.yaml``."""

    basis: Basis = Basis.LOCAL
    model: Arithmetics = Arithmetics()
    dataset: DatasetSpec
    eval: EvaluationSpec = EvaluationSpec()
    estimator: EstimatorContract | None = Field(default=None, description="Null = the converged default")
    guards: GuardOverrides = TierPolicy()


class EditConfig(Record):
    """Such as ``configs/overrides/spectral_balanced_local.example.yaml`` (seed 001). edit: done to the subject."""

    edit: EditSpec = EditSpec()
    guards: GuardOverrides = TierPolicy()


def load_preset(path: Path) -> Preset:
    """Read and check a preset. ConfigError names file, line and key path of every problem."""
    return load_yaml_record(_existing(path, "preset", "configs/presets/"), Preset, error=ConfigError)


def load_edit_config(path: Path) -> EditConfig:
    """Read and check an edit config. ConfigError names file, line and key path of every problem."""
    return load_yaml_record(
        _existing(path, "edit config", "configs/overrides/"), EditConfig, error=ConfigError
    )


def _existing(path: Path, what: str, examples: str) -> Path:
    found = find_config(path)
    if not found.is_file():
        raise ConfigError(
            f"no {what} {path}", where=path, fix=f"give an existing YAML file, e.g. one under {examples}"
        )
    return found
