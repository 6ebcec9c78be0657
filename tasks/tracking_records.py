"""What is said to MLflow and comes back from it, in our words; needs no MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RunHandle:
    """A run. ``started``: ms since the epoch. ``complete``: finished and sealed, now or before."""

    run_id: str
    run_key: str
    started: int
    complete: bool


@dataclass(frozen=True)
class DatasetUse:
    """Text that windows were drawn from.

    digest: hex SHA-256 (MLflow shows its first 36 digits; log the whole as a parameter).
    source: where the text is from; profile: counts such as windows and tokens. role: what it was used for.
    """

    name: str
    digest: str
    source: Mapping[str, str]
    profile: Mapping[str, int | str] = field(default_factory=dict)
    role: str = "calibration"


@dataclass(frozen=True)
class ModelUse:
    """A checkpoint that was measured. digest: hex SHA-256 of its weights; source: folder or hub id."""

    name: str
    digest: str
    source: str
    kind: str


@dataclass(frozen=True)
class CellRun:
    """All that the run of a sweep's cell shows.

    key: unique in the sweep, without quotes; params: at most 99, text of at most 6000 characters each;
    files: artifact path -> file or content.
    """

    key: str
    name: str
    dataset: DatasetUse
    model: ModelUse
    files: Mapping[str, Path | bytes]
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
