"""What the variance guard reports: the decision, what it was made from, and where both arms came from (seed 003)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from invarlock.digests import digest_of
from invarlock.guards.predictive_gate import PredictiveGate
from invarlock.guards.variance_scales import ScaleProposal
from invarlock.measure.branch_records import Factor
from invarlock.policy.spectral import Scope
from invarlock.policy.variance import VarianceTarget
from invarlock.record import Record

Digest = Annotated[str, Field(min_length=1)]


class ConditionTag(StrEnum):
    """The two arms: A, the edited model, and B, the same under virtual variance equalization."""

    EDITED = "edited"
    VIRTUAL_VE = "virtual_ve"


class Condition(Record):
    """One arm. target_fingerprint: see :func:`target_fingerprint`; model_digest: of what was run."""

    tag: ConditionTag
    window_ids: tuple[str, ...]
    target_fingerprint: Digest
    dataset_hash: Digest
    tokenizer_hash: Digest
    model_digest: Digest


class AbProvenance(Record):
    """Both arms; condition_b is None where B was not run."""

    condition_a: Condition
    condition_b: Condition | None


class AbTest(Record):
    """How to repeat the test: the seed that drew the windows, how many were used, and both arms."""

    seed: int
    windows_used: int
    provenance: AbProvenance


class VarianceMetrics(Record):
    """Metrics of the ``variance`` entry.

    target_modules, proposed_scales: what is proposed, enabled or not; scope: family of the branches considered;
    tap: the tier's patterns; edit_cost: token-weighted mean of A - base (nats per token) on the same windows, None
    where the base was not run on them.
    """

    enabled: bool
    target_modules: tuple[str, ...]
    proposed_scales: Mapping[str, Factor]
    scope: Scope
    tap: tuple[str, ...]
    target: VarianceTarget
    predictive_gate: PredictiveGate
    ab_test: AbTest
    proposal: ScaleProposal
    edit_cost: float | None


def target_fingerprint(factors: Mapping[str, float]) -> str:
    """Hex SHA-256 of target modules with their factors, none for arm A: of a set, its ``VirtualScales.digest``."""
    return digest_of({"factors": dict(factors)})
