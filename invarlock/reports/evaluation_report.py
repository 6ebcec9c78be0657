"""``evaluation.report.json``: one subject against its baseline, every flag with the numbers it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from invarlock.gates.pairing import PairingStats
from invarlock.gates.preview_drift import DriftFlag
from invarlock.gates.primary_metric import AccuracyFlag, RatioFlag
from invarlock.gates.spike import SpikeCheck
from invarlock.gates.tail import TailFlag
from invarlock.metrics.accuracy import AccuracyMetric
from invarlock.metrics.paired_ratio import PairedRatio
from invarlock.policy.resolution import PolicyProvenance
from invarlock.policy.schema import TierPolicy
from invarlock.record import Record
from invarlock.reports.evaluation_run import EvaluationTerms
from invarlock.reports.evaluation_sections import (
    InvariantsSection,
    RmtSection,
    SpectralSection,
    UnjudgedSection,
    VarianceSection,
)
from invarlock.reports.run_report import DataBlock, EditBlock, RunMeta
from invarlock.reports.sweep_report import Work


class ModelRef(Record):
    """One of the two models. run_sha256: of the canonical JSON of its run's report, which lies beside this one."""

    id: str
    digest: str
    run_sha256: str


class PerplexityBlock(PairedRatio):
    """``primary_metric`` of a perplexity; baseline_*: the baseline's on the same windows."""

    kind: Literal["ppl_causal", "ppl_mlm", "ppl_seq2seq"]
    preview: float
    final: float
    baseline_preview: float
    baseline_final: float


class AccuracyBlock(AccuracyMetric):
    """``primary_metric`` of an accuracy, shares of 1; ratio_vs_baseline: final over the baseline's, None over 0."""

    baseline_preview: float
    ratio_vs_baseline: float | None


class WindowStats(PairingStats):
    """``dataset.windows.stats``. floor: the tier's fewest of each; underpowered: fewer than that."""

    available: int
    floor: int
    underpowered: bool


class WindowsSection(Record):
    """``dataset.windows``. stats: None where a model has no losses."""

    stats: WindowStats | None


class DatasetSection(DataBlock):
    """``dataset``: where the windows came from."""

    windows: WindowsSection


class PolicyDigest(Record):
    """thresholds_hash: first 16 hex digits of policy_sha256, over the policy in force and its overrides."""

    thresholds_hash: str
    policy_sha256: str


class Provenance(Record):
    """Hex SHA-256 of what went in. inputs: by name, of the files read."""

    run_key: str
    measured_sha256: str
    inputs: Mapping[str, str]
    code_sha256: str
    estimator_contract: str


class Validation(Record):
    """The gates, each true or false (design page 3). hysteresis_applied: the first is true by its slack alone."""

    primary_metric_acceptable: bool
    primary_metric_tail_acceptable: bool
    preview_final_drift_acceptable: bool
    invariants_pass: bool
    spectral_stable: bool
    rmt_stable: bool
    hysteresis_applied: bool


class Outcome(StrEnum):
    """pass: every gate holds; fail: one does not; aborted: a spike, or something could not be measured."""

    PASS = "pass"
    FAIL = "fail"
    ABORTED = "aborted"


class VerdictBlock(Record):
    """failed: the gates that do not hold; reasons: plain sentences; underpowered: what had too little evidence."""

    outcome: Outcome
    exit_code: int
    failed: tuple[str, ...]
    underpowered: tuple[str, ...]
    reasons: tuple[str, ...]


class Volatile(Record):
    """What differs between two runs of one evaluation. resolved_at, generated_at: ISO 8601, UTC."""

    resolved_at: str
    generated_at: str
    work: Work


class EvaluationReport(Record):
    """The record. gates: by flag, the finding behind it; None where a model has no losses to judge."""

    schema_version: Literal["evaluation-report/1"] = "evaluation-report/1"
    run_id: str
    meta: RunMeta
    baseline_ref: ModelRef
    subject_ref: ModelRef
    edit: EditBlock
    terms: EvaluationTerms
    primary_metric: PerplexityBlock | AccuracyBlock | None
    primary_metric_gate: RatioFlag | AccuracyFlag | None
    primary_metric_tail: TailFlag | None
    preview_final_drift: DriftFlag | None
    spike: SpikeCheck | None
    dataset: DatasetSection
    invariants: InvariantsSection
    spectral: SpectralSection | UnjudgedSection
    rmt: RmtSection | UnjudgedSection
    variance: VarianceSection | UnjudgedSection
    resolved_policy: TierPolicy
    policy_provenance: PolicyProvenance
    policy_digest: PolicyDigest
    provenance: Provenance
    validation: Validation
    verdict: VerdictBlock
    volatile: Volatile | None
