"""``report.json`` of one model of an evaluation: the run report of design page 3, with its terms."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from invarlock.evaluation.evaluation_plan import Assurance, MetricChoice
from invarlock.measure.arm_records import Failure
from invarlock.measure.records import WindowHits
from invarlock.metrics.perplexity import PerplexityMetric
from invarlock.record import Record
from invarlock.reports.run_report import RunRecord, WindowsBlock


class Role(StrEnum):
    """Which of the two models."""

    BASELINE = "baseline"
    SUBJECT = "subject"


class EvaluationTerms(Record):
    """What both runs of an evaluation share, besides policy and data.

    run_key: of the evaluation; inputs: hex SHA-256 of files read, by name; predictable_tokens, windows_available: in
    the whole data set; measured_sha256: of the canonical JSON of all that was measured.
    """

    run_key: str
    inputs: Mapping[str, str]
    metric: MetricChoice
    assurance: Assurance
    replicates: int
    predictable_tokens: int
    windows_available: int
    baseline_id: str
    estimator_contract: str
    measured_sha256: str


class HitsBlock(Record):
    """Top-1 hits by window."""

    preview: tuple[WindowHits, ...]
    final: tuple[WindowHits, ...]


class EvaluationRun(RunRecord):
    """One model judged against the baseline; the baseline's own run is judged against itself.

    metrics, windows: None where a failure says that losses could not be measured; hits: None unless the metric is
    accuracy.
    """

    schema_version: Literal["evaluation-run/1"] = "evaluation-run/1"
    role: Role
    terms: EvaluationTerms
    metrics: PerplexityMetric | None
    windows: WindowsBlock | None
    hits: HitsBlock | None
    failures: tuple[Failure, ...]
