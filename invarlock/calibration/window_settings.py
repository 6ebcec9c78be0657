"""From a request for a window plan to settled settings: what every sweep reads, and every profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from invarlock.calibration.sweep_settings import SweepSettings, read_edited_settings
from invarlock.calibration.window_plan_request import WindowPlanRequest
from invarlock.policy.profiles import load_profile, profile_files
from invarlock.policy.schema import Tier


@dataclass(frozen=True)
class WindowSettings:
    """sweep: as of every sweep; profiles: final windows by name; replicates: of the bootstrap, the tier's floor at
    least."""

    sweep: SweepSettings
    profiles: Mapping[str, int]
    replicates: Mapping[Tier, int]


def read_window_settings(request: WindowPlanRequest) -> WindowSettings:
    """Raises ConfigError or PolicyError naming file and key path; ConfigError when the config's edit is noop."""
    settings = read_edited_settings(request, "window plan")
    profiles = {name: load_profile(name) for name in sorted(profile_files())}
    asked = profiles[request.profile].bootstrap_replicates or 0
    return WindowSettings(
        sweep=settings,
        profiles={name: each.final_n or settings.config.eval.final_n for name, each in profiles.items()},
        replicates={
            tier: max(asked, policy.policy.metrics.sampling.min_bootstrap_replicates)
            for tier, policy in settings.policies.items()
        },
    )
