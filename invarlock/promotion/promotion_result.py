"""How far a promotion is, as its flow gives it."""

from __future__ import annotations

from invarlock.promotion.history import HistoryEntry
from invarlock.promotion.requests import RequestId, State
from invarlock.promotion.review import Review
from invarlock.record import Record


class RegisteredPolicy(Record):
    """A policy in MLflow's registry: a version of the registered model ``name``."""

    name: str
    version: str
    url: str


class PromotionResult(Record):
    """entry and registered: None until the request is applied; review: None for one applied without checks."""

    request_id: RequestId
    state: State
    review: Review | None
    entry: HistoryEntry | None = None
    registered: RegisteredPolicy | None = None
    prefect_url: str | None = None
