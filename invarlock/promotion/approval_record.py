"""An approval as it is kept with its request, and what of it is signed."""

from __future__ import annotations

from pathlib import Path

from pydantic import AwareDatetime

from invarlock.digests import canonical_json
from invarlock.promotion.requests import Sha256, StepRecord
from invarlock.promotion.signatures import NAMESPACE, sign


class Approval(StepRecord):
    """A person's yes to one request. checked_sha256: of the checks that were shown; signature: armored, of
    :attr:`statement`.
    """

    checked_sha256: Sha256
    expires_at: AwareDatetime
    signature: str | None = None

    @property
    def statement(self) -> bytes:
        """What is signed: canonical JSON of all the rest, and what it is for."""
        said = self.model_dump(mode="json", exclude={"signature"})
        return canonical_json({"namespace": NAMESPACE, "approval": said})

    def signed(self, key: Path) -> Approval:
        """The same with a signature. Raises as :func:`sign`."""
        return self.model_copy(update={"signature": sign(self.statement, key)})
