"""From a request to settled settings: config, profile, policies and counts, read and checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from invarlock.calibration.null_request import NullSweepRequest
from invarlock.config import Dtype, SweepConfig, load_sweep_config
from invarlock.digests import digest_of
from invarlock.edits.names import NOOP
from invarlock.errors import ConfigError
from invarlock.home import find_config
from invarlock.policy.profiles import load_profile
from invarlock.policy.resolution import ResolvedPolicy, resolve_policy
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path, tiers_digest


@dataclass(frozen=True)
class NullSettings:
    """What files and options say, together.

    config_sha256: of the parsed config, so that a comment does not make another sweep. preview, final: windows a
    schedule. device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    config_path: Path
    config: SweepConfig
    config_sha256: str
    preview: int
    final: int
    dtype: Dtype
    device: str
    references: tuple[str, ...]
    policies: Mapping[Tier, ResolvedPolicy]
    tiers_sha256: str


def read_settings(request: NullSweepRequest) -> NullSettings:
    """Read every file that ``request`` names.

    Raises ConfigError or PolicyError naming file and key path, and ConfigError when the config's edit is not noop.
    """
    config = load_sweep_config(request.config)
    if config.edit.name != NOOP:
        raise ConfigError(
            f"a null sweep needs the edit {NOOP}, this config has {config.edit.name!r}",
            where=f"{request.config}: edit.name",
            fix="set it to noop; --null benign chooses harmless edits by itself",
        )
    profile = load_profile(request.profile)
    return NullSettings(
        config_path=find_config(request.config),
        config=config,
        config_sha256=digest_of(config),
        preview=profile.preview_n or config.eval.preview_n,
        final=profile.final_n or config.eval.final_n,
        dtype=config.model.dtype,
        device=request.device or profile.device or config.model.device,
        references=request.models or (config.model.id,),
        policies={
            tier: resolve_policy(tier, profile=request.profile, edit=NOOP, guards=config.guards)
            for tier in request.tiers
        },
        tiers_sha256=tiers_digest(live_tiers_path()),
    )
