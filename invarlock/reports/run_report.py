"""``report.json`` of one run: every number that a verdict was made from, strict JSON (design page 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue

from invarlock.guards.report import GuardReport
from invarlock.guards.spectral_metrics import SpectralMetrics
from invarlock.measure.records import EditError, WindowLoss
from invarlock.metrics.perplexity import PerplexityMetric
from invarlock.policy.resolution import PolicyProvenance
from invarlock.policy.schema import TierPolicy
from invarlock.provenance import CodeVersion
from invarlock.record import Record


class RunMeta(Record):
    """Who made the run, with what."""

    tier: str
    profile: str
    seed: int
    model_id: str
    dtype: str
    device: str
    code: CodeVersion
    determinism: str


class ModelBlock(Record):
    """Baseline and subject by digest; for a no-op they are the same."""

    id: str
    digest: str
    baseline_digest: str


class DataBlock(Record):
    """Where the windows came from.

    window_floor: of the tier, for preview and final each; underpowered: below it. Weight guards do not depend on
    windows; a perplexity on fewer than the floor is no evidence for a gate. None where no perplexity was measured.
    """

    provider: str
    seq_len: int
    stride: int
    dataset_hash: str
    tokenizer_hash: str
    schedule_digest: str
    preview_windows: int
    final_windows: int
    calibration_windows: int
    window_floor: int
    underpowered: bool | None


class EditBlock(Record):
    """The edit under test. deltas: what it changed, as counts of tensors; errors: by module it aimed at."""

    name: str
    plan: Mapping[str, JsonValue]
    digest: str
    deltas: Mapping[str, int]
    errors: Mapping[str, EditError]


class WindowsBlock(Record):
    """Losses by window; the token ids stay in the data."""

    preview: tuple[WindowLoss, ...]
    final: tuple[WindowLoss, ...]


class RunRecord(Record):
    """What every run's report holds, whatever was run."""

    meta: RunMeta
    model: ModelBlock
    data: DataBlock
    edit: EditBlock
    guards: tuple[GuardReport, ...]
    resolved_policy: TierPolicy
    policy_provenance: PolicyProvenance
    timings: None = None
    timings_reason: str = "measurements are shared between the runs of a sweep; its report has the times"
    artifacts: Mapping[str, str]

    @property
    def spectral(self) -> SpectralMetrics:
        """The spectral guard's numbers. KeyError when the run carries no such guard."""
        for guard in self.guards:
            if isinstance(guard.metrics, SpectralMetrics):
                return guard.metrics
        raise KeyError("spectral")


class RunReport(RunRecord):
    """The record behind a ``report.json`` whose run evaluated preview and final windows."""

    schema_version: Literal["run-report/1"] = "run-report/1"
    metrics: PerplexityMetric
    windows: WindowsBlock
