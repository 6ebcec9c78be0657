"""Run profiles: how much evidence a run gathers, and guard settings that go with it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from invarlock.errors import ConfigError
from invarlock.home import config_root, shipped
from invarlock.policy.schema import GuardOverrides, TierPolicy
from invarlock.record import Record
from invarlock.yaml_source import load_yaml_record


class Profile(Record):
    """``runtime/profiles/<name>.yaml``. A count that is null leaves the config's own."""

    preview_n: int | None = Field(default=None, ge=1, description="Windows of the preview schedule")
    final_n: int | None = Field(default=None, ge=1, description="Windows of the final schedule")
    bootstrap_replicates: int | None = Field(
        default=None, ge=1, description="Replicates of a confidence interval"
    )
    device: str | None = Field(default=None, description="cpu, cuda or cuda:N")
    guards: GuardOverrides = Field(default=TierPolicy(), description="Policy keys that the profile overrides")


def profile_files(root: Path | None = None) -> dict[str, Path]:
    """Known profiles by name. The shipped ones are there even when the config root holds tiers.yaml alone."""
    folders = (shipped("configs"), root or config_root())
    return {
        file.stem: file for folder in folders for file in sorted((folder / "runtime/profiles").glob("*.yaml"))
    }


def load_profile(name: str, root: Path | None = None) -> Profile:
    """Read a profile. Raises ConfigError for an unknown name, or with every problem of its file."""
    files = profile_files(root)
    if name not in files:
        raise ConfigError(
            f"no profile is called {name!r}", where="--profile", fix=f"use one of: {', '.join(sorted(files))}"
        )
    return load_yaml_record(files[name], Profile, error=ConfigError)
