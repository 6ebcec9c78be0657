"""The tolerance band: what still agrees with the policy in force, and what asks for a promotion."""

from __future__ import annotations

from pathlib import Path

import pytest

from invarlock.promotion.person import RECALIBRATION
from invarlock.promotion.recalibration import (
    Recalibration,
    recalibration_markdown,
    recalibration_of,
    standing_request,
)
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Origin, Request, Step, StepRecord
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.promotion.same_values import open_twin, requests_of
from invarlock.promotion.steps import record_step
from tests.promotion.config_root import (
    NOON,
    epsilon,
    promoted,
    requested,
    rolled_back,
    small_root,
)
from tests.promotion.patches import Values, patch_yaml


def found(folder: Path, values: Values, tolerance: float = 0.1) -> Recalibration:
    return recalibration_of(RuntimeFiles.of(small_root(folder / "configs")), patch_yaml(values), tolerance)


@pytest.mark.parametrize(
    ("value", "changed", "outside"),
    [
        (0.01, 0, 0),
        (0.0109, 1, 0),
        (0.0091, 1, 0),
        (0.0111, 1, 1),  # looser
        (0.0089, 1, 1),  # tighter: the policy is as wrong
        (0.0, 1, 1),
    ],
)
def test_either_side_of_the_band(tmp_path: Path, value: float, changed: int, outside: int) -> None:
    recalibration = found(tmp_path, epsilon(value))
    assert (len(recalibration.changes), len(recalibration.outside)) == (changed, outside)


def test_what_has_no_share_is_outside(tmp_path: Path) -> None:
    drift = {"balanced": {"spectral_guard": {"drift_caps": {"ffn": {"log_sigma": 0.1}}}}}
    recalibration = found(tmp_path, drift, tolerance=1e9)
    assert recalibration.changes == recalibration.outside != ()


def test_the_page_says_which(tmp_path: Path) -> None:
    both: Values = {"balanced": {"rmt_guard": {"epsilon_by_family": {"ffn": 0.0105, "other": 0.02}}}}
    recalibration = found(tmp_path, both)
    assert recalibration.statement.startswith("1 of 2 changed values left the tolerance band of 10%")
    page = recalibration_markdown(recalibration, "Request 1f.")
    assert page.startswith("Request 1f.\n")
    assert "| balanced.rmt_guard.epsilon_by_family.ffn | 0.01 | 0.0105 | +5.0% | within |" in page
    assert "| balanced.rmt_guard.epsilon_by_family.other | 0.01 | 0.02 | +100.0% | outside |" in page
    assert "None of 1 changed value left" in found(tmp_path / "b", epsilon(0.0105)).statement
    assert found(tmp_path / "c", epsilon(0.01)).statement == "The policy in force is what is recommended."


def test_the_same_values_are_asked_for_once(tmp_path: Path) -> None:
    root = small_root(tmp_path / "configs")
    store = RequestStore(root)

    def standing(value: float) -> Request | None:
        text = patch_yaml(epsilon(value))
        return standing_request(store, recalibration_of(store.files, text, 0.1))

    asked = requested(root, epsilon(0.02), requester=RECALIBRATION, origin=Origin.RECALIBRATION)
    requested(root, epsilon(0.03))  # by a person: the recalibration has still to speak for itself
    assert standing(0.02) == asked
    assert standing(0.03) is None
    rejection = StepRecord(binding=asked.binding, by="bea", at=NOON, reason="no")
    record_step(Step.REJECTED, rejection, root=root)
    assert standing(0.02) == asked
    old = store.files.live_sha256()
    (root / "runtime/promotions" / requested(root, epsilon(0.05)).id / "request.json").write_text("{")
    assert standing(0.02) == asked
    promoted(root, epsilon(0.04))
    assert standing(0.02) is None  # another policy is in force
    rolled_back(root, old)
    assert standing(0.02) == asked  # a rejection stays one

    asked = requested(root, epsilon(0.05), requester=RECALIBRATION, origin=Origin.RECALIBRATION)
    promoted(root, epsilon(0.06))
    rolled_back(root, old)
    assert standing(0.05) is None  # what was open then is stale, whatever came back


def test_other_requests_for_the_same_values(tmp_path: Path) -> None:
    root = small_root(tmp_path / "configs")
    store = RequestStore(root)
    mine = requested(root, epsilon(0.02))
    assert open_twin(store, mine) is None
    other = requested(root, epsilon(0.02), requester=RECALIBRATION, origin=Origin.RECALIBRATION)
    requested(root, epsilon(0.03))
    assert (open_twin(store, mine), open_twin(store, other)) == (other, mine)
    record_step(Step.REJECTED, StepRecord(binding=other.binding, by="bea", at=NOON, reason="no"), root=root)
    assert open_twin(store, mine) is None
    assert {each.id for each in requests_of(store, mine.changes)} == {mine.id, other.id}
