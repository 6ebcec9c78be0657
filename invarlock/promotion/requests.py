"""The records of a promotion: what is asked for, and what was done about it since."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, TypeAdapter, model_validator

from invarlock.digests import digest_of, sha256_hex
from invarlock.policy.diff import Change
from invarlock.promotion.person import RECALIBRATION, same_person
from invarlock.record import Record

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
RequestId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
Said = Annotated[str, StringConstraints(min_length=1)]


class RunReference(Record):
    """The calibration run that a patch came from: its MLflow run, and the hashes in the patch's header."""

    mlflow_run_id: Said
    run_key: Sha256
    report_content_sha256: Sha256


class Binding(Record):
    """The request that a check or an approval is about, to the byte. request_sha256: of its canonical JSON."""

    request_id: RequestId
    request_sha256: Sha256
    change_sha256: Sha256
    base_sha256: Sha256


class Origin(StrEnum):
    """Who asks. recalibration: a scheduled calibration by itself, a name that no person can take (decision 0156)."""

    PERSON = "person"
    RECALIBRATION = "recalibration"


class Demand(Record):
    """What every request says.

    change_sha256: of the patch; of a rollback, the tiers file that comes back. base_sha256: the tiers file that it
    changes. after: the last history entry when it was made, zeros for none. changes: what a reviewer is shown.
    """

    id: RequestId
    change_sha256: Sha256
    base_sha256: Sha256
    after: Sha256
    run: RunReference | None
    origin: Origin
    requester: Said
    reason: Said
    created_at: AwareDatetime
    changes: tuple[Change, ...]

    @model_validator(mode="after")
    def _is_named_by_its_content(self) -> Self:
        if self.id != request_id(self.change_sha256, self.base_sha256, self.after, self.run, self.words):
            raise ValueError("the id is not that of the content")
        return self

    @model_validator(mode="after")
    def _is_asked_by_its_origin(self) -> Self:
        if (self.origin is Origin.RECALIBRATION) != same_person(self.requester, RECALIBRATION):
            raise ValueError("the requester is not of the origin that is given")
        return self

    def is_asked_by(self, name: str) -> bool:
        """Whether ``name`` is the person who asked for it. Of a recalibration nobody is."""
        return self.origin is Origin.PERSON and same_person(name, self.requester)

    @property
    def words(self) -> tuple[str | None, ...]:
        """What its requester said."""
        return (self.requester, self.reason)

    @property
    def binding(self) -> Binding:
        """What every record about this request names."""
        return Binding(
            request_id=self.id,
            request_sha256=digest_of(self),
            change_sha256=self.change_sha256,
            base_sha256=self.base_sha256,
        )


class PromotionRequest(Demand):
    """A sweep's patch is to become policy. allow_large: why it may move further than the limits allow."""

    kind: Literal["promotion"] = "promotion"
    run: RunReference
    patch: str
    allow_large: Said | None

    @property
    def words(self) -> tuple[str | None, ...]:
        """What its requester said, large changes included."""
        return (*super().words, self.allow_large)

    @model_validator(mode="after")
    def _has_its_patch(self) -> Self:
        if self.change_sha256 != sha256_hex(self.patch.encode()):
            raise ValueError("the patch is not the one that was requested")
        return self


class RollbackRequest(Demand):
    """An earlier tiers file is to come back, byte for byte."""

    kind: Literal["rollback"] = "rollback"
    run: None = None
    origin: Literal[Origin.PERSON] = Origin.PERSON


Request = PromotionRequest | RollbackRequest
REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")])


def request_id(
    change_sha256: str,
    base_sha256: str,
    after: str,
    run: RunReference | None,
    words: tuple[str | None, ...],
) -> str:
    """What names a request: the same change to the same policy, in the same words, is one (decision 0101)."""
    content = {"change": change_sha256, "base": base_sha256, "after": after, "run": run, "words": words}
    return digest_of(content)[:16]


class Step(StrEnum):
    """What can happen to a request; each time it does, a record is kept."""

    REFUSED = "refused"
    CHECKED = "checked"
    APPROVED = "approved"
    REJECTED = "rejected"
    STALE = "stale"
    APPLIED = "applied"


class StepRecord(Record):
    """One step: who took it, when and why. Its kinds add what they rest on."""

    binding: Binding
    by: Said
    at: AwareDatetime
    reason: Said


class Applied(StepRecord):
    """The policy that the request made, and the history entry that says so."""

    to_sha256: Sha256
    entry_sha256: Sha256


class State(StrEnum):
    """How far a request is. Of what happened to it, the last one in this order counts."""

    REQUESTED = "requested"
    REFUSED = "refused"
    CHECKED = "checked"
    APPROVED = "approved"
    STALE = "stale"
    REJECTED = "rejected"
    APPLIED = "applied"

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen to it."""
        return self in (State.STALE, State.REJECTED, State.APPLIED)
