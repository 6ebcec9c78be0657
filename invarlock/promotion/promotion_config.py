"""``runtime/promotion.yaml``: what a promotion must meet. Without the file, the defaults hold."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field

from invarlock.errors import ConfigError
from invarlock.policy.keys import Count, Real, Switch
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.record import Record
from invarlock.yaml_source import load_yaml_record

FILE = "promotion.yaml"


class Limits(Record):
    """The least that a patch rests on, and the most that it moves.

    min_runs: of each tier; min_effective: independent observations among them; most_relaxed: share of the value in
    force by which a key may be relaxed without a reason of its own.
    """

    min_runs: Count = Field(default=5, ge=1)
    min_effective: Count = Field(default=5, ge=1)
    most_relaxed: Real = Field(default=0.25, ge=0)


class Signatures(Record):
    """required: nothing but a signed approval counts; allowed_signers: as OpenSSH has it, a file beside this one."""

    required: Switch = False
    allowed_signers: str | None = None


class PromotionConfig(Record):
    """four_eyes: the approver is not the requester; expires_days: how long an approval counts at most; tolerance: share
    of the value in force by which a recalibration may differ before it asks for a promotion by itself.
    """

    four_eyes: Switch = True
    expires_days: Real = Field(default=7, gt=0, le=365)
    tolerance: Real = Field(default=0.1, ge=0)
    signatures: Signatures = Signatures()
    limits: Limits = Limits()


class _PromotionFile(Record):
    promotion: PromotionConfig


def load_promotion_config(files: RuntimeFiles) -> PromotionConfig:
    """The config beside the tiers file in force. ConfigError with every problem of its file."""
    path = files.contained(files.live.with_name(FILE))
    if not path.exists():
        return PromotionConfig()
    config = load_yaml_record(path, _PromotionFile, error=ConfigError).promotion
    if config.signatures.required and config.signatures.allowed_signers is None:
        raise ConfigError(
            "signatures are required, and no allowed_signers says whose",
            where=path,
            fix="name the file that holds who may sign, with which key",
        )
    return config


def allowed_signers_path(files: RuntimeFiles, config: PromotionConfig) -> Path | None:
    """The file of who may sign. PromotionError when it lies outside the config root."""
    name = config.signatures.allowed_signers
    return (
        None
        if name is None
        else files.contained(Path(os.path.normpath(files.live.with_name(FILE).parent / name)))
    )
