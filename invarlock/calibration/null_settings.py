"""From a request to settled settings: config, profile, policies and counts, read and checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from invarlock.calibration.null_request import NullSweepRequest
from invarlock.config import Dtype, SweepConfig, load_sweep_config
from invarlock.edits.names import NOOP
from invarlock.errors import ConfigError
from invarlock.home import find_config
from invarlock.input_file import InputFile, read_input
from invarlock.policy.profiles import load_profile, profile_files
from invarlock.policy.resolution import ResolvedPolicy, resolve_policy
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path


@dataclass(frozen=True)
class NullSettings:
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


def read_settings(request: NullSweepRequest) -> NullSettings:
    """Read every file that ``request`` names.

    Raises ConfigError or PolicyError naming file and key path, and ConfigError when the config's edit is not noop.
    """
    paths = _input_paths(request)
    inputs = tuple(read_input(path, name) for name, path in paths.items())
    config = load_sweep_config(request.config)
    if config.edit.name != NOOP:
        raise ConfigError(
            f"a null sweep needs the edit {NOOP}, this config has {config.edit.name!r}",
            where=f"{request.config}: edit.name",
            fix="set it to noop; --null benign chooses harmless edits by itself",
        )
    profile = load_profile(request.profile)
    policies = {
        tier: resolve_policy(tier, profile=request.profile, edit=NOOP, guards=config.guards)
        for tier in request.tiers
    }
    for name, path in paths.items():
        if read_input(path, name) not in inputs:
            raise ConfigError("the file changed while it was read", where=path, fix="run the command again")
    return NullSettings(
        inputs=inputs,
        config=config,
        preview=profile.preview_n or config.eval.preview_n,
        final=profile.final_n or config.eval.final_n,
        dtype=config.model.dtype,
        device=request.device or profile.device or config.model.device,
        references=request.models or (config.model.id,),
        policies=policies,
    )


def _input_paths(request: NullSweepRequest) -> dict[str, Path]:
    """Name below ``configs/`` of the results, and where the file is; load_sweep_config reports a missing config."""
    config = find_config(request.config)
    paths = {
        config.name: config,
        "runtime/tiers.yaml": live_tiers_path(),
        f"runtime/profiles/{request.profile}.yaml": profile_files().get(request.profile),
    }
    return {name: path for name, path in paths.items() if path is not None and path.is_file()}
