"""Keeping what happened to a request: checked, approved, rejected."""

from __future__ import annotations

from pathlib import Path

from invarlock.promotion.requests import Step, StepRecord
from invarlock.promotion.turn import turn


def record_step(step: Step, record: StepRecord, *, root: Path | None = None) -> Path:
    """Keep ``record`` with its request. PromotionError when that is closed, or not the one it is bound to."""
    with turn(root) as store:
        return store.add(step, record)
