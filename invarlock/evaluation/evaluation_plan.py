"""What an evaluation will do, settled before any work: two models, windows, policy, and one key for it all."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.drawing import DrawnWindows
from invarlock.data.schedule import Schedule
from invarlock.digests import digest_of
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.input_file import InputFile
from invarlock.measure.branch_records import Tap
from invarlock.measure.records import EstimatorContract, ModelIdentity
from invarlock.policy.resolution import ResolvedPolicy
from invarlock.policy.schema import Tier
from invarlock.provenance import CodeVersion
from invarlock.record import Record


class MetricChoice(StrEnum):
    """What the primary metric is: perplexity, of the kind that the model has, or accuracy."""

    PERPLEXITY = "perplexity"
    ACCURACY = "accuracy"


class Assurance(StrEnum):
    """strict: too little evidence fails the evaluation; off: it is said, and nothing is enforced (seed 001)."""

    STRICT = "strict"
    OFF = "off"


class EvaluationPlan(Record):
    """Everything that the results of an evaluation depend on, and nothing else.

    edit: what is done to the subject's weights in memory, None where they are evaluated as they are; taps: branches
    that variance equalization is tried on, empty where it is not; predictable_tokens: how many tokens all windows of
    the data set would predict; replicates: of the bootstrap.
    """

    kind: Literal["evaluation"] = "evaluation"
    inputs: tuple[InputFile, ...]
    dataset: DatasetSpec
    profile: str
    tier: Tier
    assurance: Assurance
    metric: MetricChoice
    arithmetic: Arithmetic
    baseline: ModelIdentity
    subject: ModelIdentity
    edit: PlannedEdit | None
    taps: tuple[Tap, ...]
    windows: DrawnWindows
    predictable_tokens: int
    replicates: int
    policy: ResolvedPolicy
    contract: EstimatorContract
    code: CodeVersion

    @property
    def run_key(self) -> str:
        """Hex SHA-256 that names this evaluation wherever it runs: folders of this machine are left out."""
        return digest_of(self.portable)

    @property
    def portable(self) -> EvaluationPlan:
        """This plan without the folders of this machine."""
        return self.model_copy(
            update={
                "baseline": self.baseline.model_copy(update={"root": ""}),
                "subject": self.subject.model_copy(update={"root": ""}),
            }
        )

    @property
    def schedule(self) -> Schedule:
        """The windows that both models are run on: of the one seed."""
        [schedule] = self.windows.schedules.values()
        return schedule
