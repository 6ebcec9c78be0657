"""An evaluation as an operator asks for it. Light: the command line reads it for its help."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from invarlock.evaluation.evaluation_plan import Assurance, MetricChoice
from invarlock.policy.schema import Tier
from invarlock.record import Record


class EvaluationRequest(Record):
    """Options of ``invarlock evaluate`` (seed 001, design page 3).

    baseline, subject: folder, hub id or bundled:NAME; edit_config: an edit of the subject, or guard overrides,
    or both; metric: instead of the preset's; variance: whether variance equalization is tried on branches that changed;
    out: folder of the two run reports; report_out: of the evaluation report, None = one of its own.
    """

    baseline: str = Field(min_length=1)
    subject: str = Field(min_length=1)
    preset: Path
    edit_config: Path | None = None
    profile: str = "ci"
    tier: Tier = Tier.BALANCED
    assurance: Assurance = Assurance.OFF
    metric: MetricChoice | None = None
    seed: int = Field(42, ge=0)
    variance: bool = True
    device: str | None = None
    out: Path = Path("runs")
    report_out: Path | None = None
    fresh: bool = False
    allow_network: bool = False
    allow_pickle: bool = False
