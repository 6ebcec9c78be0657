"""From a request to settled settings: config, profile, policies and counts, read and checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from invarlock.calibration.null_request import NullRunsRequest
from invarlock.calibration.sweep_request import SweepRequest
from invarlock.calibration.ve_request import VeSweepRequest
from invarlock.config import Dtype, EditSpec, SweepConfig, load_sweep_config
from invarlock.edits.names import NOOP
from invarlock.errors import ConfigError
from invarlock.home import find_config
from invarlock.input_file import InputFile, read_input
from invarlock.policy.profiles import load_profile, profile_files
from invarlock.policy.resolution import ResolvedPolicy, resolve_policy
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path


@dataclass(frozen=True)
class SweepSettings:
    """What files and options say, together.

    inputs: config, tiers and profile as they were read, config first. preview, final: windows a schedule. device:
    ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    inputs: tuple[InputFile, ...]
    config: SweepConfig
    preview: int
    final: int
    dtype: Dtype
    device: str
    references: tuple[str, ...]
    policies: Mapping[Tier, ResolvedPolicy]


def read_settings(request: SweepRequest, *, edit_aside: bool = False) -> SweepSettings:
    """Read every file that ``request`` names; edit_aside: as if the config had no edit.

    Raises ConfigError or PolicyError naming file and key path.
    """
    paths = _input_paths(request)
    inputs = tuple(read_input(path, name) for name, path in paths.items())
    config = load_sweep_config(request.config)
    if edit_aside:
        config = config.model_copy(update={"edit": EditSpec()})
    profile = load_profile(request.profile)
    policies = {
        tier: resolve_policy(tier, profile=request.profile, edit=config.edit.name, guards=config.guards)
        for tier in request.tiers
    }
    for name, path in paths.items():
        if read_input(path, name) not in inputs:
            raise ConfigError("the file changed while it was read", where=path, fix="run the command again")
    return SweepSettings(
        inputs=inputs,
        config=config,
        preview=profile.preview_n or config.eval.preview_n,
        final=profile.final_n or config.eval.final_n,
        dtype=config.model.dtype,
        device=request.device or profile.device or config.model.device,
        references=request.models or (config.model.id,),
        policies=policies,
    )


def read_null_settings(request: NullRunsRequest) -> SweepSettings:
    """The settings of a null sweep. ConfigError when the config's edit is not noop, unless it is set aside."""
    settings = read_settings(request, edit_aside=request.edit_aside)
    if (name := settings.config.edit.name) != NOOP:
        raise ConfigError(
            f"a null sweep needs the edit {NOOP}, this config has {name!r}",
            where=f"{request.config}: edit.name",
            fix="set it to noop; --null benign chooses harmless edits by itself",
        )
    return settings


def read_ve_settings(request: VeSweepRequest) -> SweepSettings:
    """The settings of a VE sweep.

    ConfigError when the config's edit is noop, or more windows are asked for than a tier's calibration pool holds.
    """
    settings = read_edited_settings(request, "VE sweep")
    for tier, policy in settings.policies.items():
        if (most := policy.policy.variance.max_calib) < max(request.windows):
            raise ConfigError(
                f"--window {max(request.windows)} is more than the {most} windows of tier {tier.value}'s pool",
                where="variance_guard.max_calib",
                fix="ask for fewer windows, or raise max_calib in the config's guards.variance",
            )
    return settings


def read_edited_settings(request: SweepRequest, what: str) -> SweepSettings:
    """The settings of a sweep that compares a model with an edit of it. ConfigError when the config's edit is noop."""
    settings = read_settings(request)
    if settings.config.edit.name == NOOP:
        raise ConfigError(
            f"a {what} needs a real edit, this config has {NOOP}",
            where=f"{request.config}: edit.name",
            fix="name an edit that changes weights, such as quant_rtn",
        )
    return settings


def _input_paths(request: SweepRequest) -> dict[str, Path]:
    """Name below ``configs/`` of the results, and where the file is; load_sweep_config reports a missing config."""
    config = find_config(request.config)
    paths = {
        config.name: config,
        "runtime/tiers.yaml": live_tiers_path(),
        f"runtime/profiles/{request.profile}.yaml": profile_files().get(request.profile),
    }
    return {name: path for name, path in paths.items() if path is not None and path.is_file()}
