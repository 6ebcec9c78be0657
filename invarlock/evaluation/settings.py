"""From a request to settled settings: preset, edit config, profile and policy, read and checked before any work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from invarlock.config import EditSpec
from invarlock.errors import ConfigError
from invarlock.evaluation.evaluation_plan import MetricChoice
from invarlock.evaluation.preset import EditConfig, Preset, load_edit_config, load_preset
from invarlock.evaluation.request import EvaluationRequest
from invarlock.home import find_config
from invarlock.input_file import InputFile, read_input
from invarlock.policy.profiles import load_profile, profile_files
from invarlock.policy.resolution import ResolvedPolicy, resolve_policy
from invarlock.policy.schema import TierPolicy
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.policy.tree import merge


@dataclass(frozen=True)
class EvaluationSettings:
    """What files and options say, together.

    inputs: preset, edit config, tiers and profile as they were read; preview, final, calibration: windows of the
    schedule; replicates: of the bootstrap, the tier's floor at least; device: ``auto``, ``cpu``, ``cuda`` or
    ``cuda:N``.
    """

    inputs: tuple[InputFile, ...]
    preset: Preset
    edit: EditSpec
    metric: MetricChoice
    policy: ResolvedPolicy
    preview: int
    final: int
    calibration: int
    replicates: int
    device: str


def read_evaluation_settings(request: EvaluationRequest) -> EvaluationSettings:
    """Read every file that ``request`` names. Raises ConfigError or PolicyError naming file and key path."""
    paths = _input_paths(request)
    inputs = tuple(read_input(path, name) for name, path in paths.items())
    preset = load_preset(request.preset)
    extra = load_edit_config(request.edit_config) if request.edit_config else EditConfig()
    profile = load_profile(request.profile)
    policy = resolve_policy(
        request.tier, profile=request.profile, edit=extra.edit.name, guards=_laid_over(preset, extra)
    )
    for name, path in paths.items():
        if read_input(path, name) not in inputs:
            raise ConfigError("the file changed while it was read", where=path, fix="run the command again")
    floor = policy.policy.metrics.sampling.min_bootstrap_replicates
    return EvaluationSettings(
        inputs=inputs,
        preset=preset,
        edit=extra.edit,
        metric=request.metric or preset.eval.metric,
        policy=policy,
        preview=profile.preview_n or preset.eval.preview_n,
        final=profile.final_n or preset.eval.final_n,
        calibration=policy.policy.variance.calibration_windows if request.variance else 0,
        replicates=max(profile.bootstrap_replicates or floor, floor),
        device=request.device or profile.device or preset.model.device,
    )


def _laid_over(preset: Preset, extra: EditConfig) -> TierPolicy:
    """The guard settings of both files; the edit config, which is about this very evaluation, wins."""
    return TierPolicy.model_validate(merge(preset.guards.given(), extra.guards.given()))


def _input_paths(request: EvaluationRequest) -> dict[str, Path]:
    """Name below ``configs/`` of the results, and where the file is; the loaders report a missing one."""
    preset, extra = find_config(request.preset), find_config(request.edit_config or Path())
    paths = {
        f"presets/{preset.name}": preset,
        f"overrides/{extra.name}": extra,
        "runtime/tiers.yaml": live_tiers_path(),
        f"runtime/profiles/{request.profile}.yaml": profile_files().get(request.profile),
    }
    return {name: path for name, path in paths.items() if path is not None and path.is_file()}
