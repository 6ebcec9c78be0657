"""Evidence that was made of other models, windows or estimators than its plan names is not judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from invarlock.errors import DataError
from invarlock.evaluation.measured import ArmMeasured, Evidence
from invarlock.measure.arm_records import Part
from invarlock.measure.edge_records import EdgeRiskRecord
from invarlock.measure.records import VariantMeasurement
from invarlock.measure.sigma_max import POWER_ITER
from invarlock.reports.evaluation_run import Role
from invarlock.reports.judge_runs import judge_runs
from invarlock.reports.planned_evidence import require_planned
from tests.reports.changed_evidence import without

OTHER = "0" * 64


def edges_of(arm: ArmMeasured) -> EdgeRiskRecord:
    assert arm.edges is not None
    return arm.edges


def variant_of(arm: ArmMeasured) -> VariantMeasurement:
    assert arm.variant is not None
    return arm.variant


def on_other_windows(arm: ArmMeasured) -> dict[str, object]:
    """The first eight of the schedule, with their losses: equal in both models."""
    edges = edges_of(arm)
    losses = arm.losses[: len(edges.windows)]
    windows = tuple(
        each.model_copy(update={"window_id": loss.window_id})
        for each, loss in zip(edges.windows, losses, strict=True)
    )
    return {"edges": edges.model_copy(update={"windows": windows, "losses": losses})}


def on_fewer_windows(arm: ArmMeasured) -> dict[str, object]:
    edges = edges_of(arm)
    return {"edges": edges.model_copy(update={"windows": edges.windows[:1], "losses": edges.losses[:1]})}


def with_losses_of_other_windows(arm: ArmMeasured) -> dict[str, object]:
    return {"edges": edges_of(arm).model_copy(update={"losses": arm.losses[: len(edges_of(arm).windows)]})}


def with_other_losses(arm: ArmMeasured) -> dict[str, object]:
    """As of another model on the same windows."""
    losses = tuple(loss.model_copy(update={"nll": loss.nll + 1e-9}) for loss in edges_of(arm).losses)
    return {"edges": edges_of(arm).model_copy(update={"losses": losses})}


def under_another_estimator(arm: ArmMeasured) -> dict[str, object]:
    return {"edges": edges_of(arm).model_copy(update={"contract": POWER_ITER})}


def weights_under_another_estimator(arm: ArmMeasured) -> dict[str, object]:
    weights = variant_of(arm).weights.model_copy(update={"contract": POWER_ITER})
    return {"variant": variant_of(arm).model_copy(update={"weights": weights})}


def other_weights(arm: ArmMeasured) -> dict[str, object]:
    weights = variant_of(arm).weights.model_copy(update={"model_digest": OTHER})
    return {"variant": variant_of(arm).model_copy(update={"weights": weights})}


def against_another_baseline(arm: ArmMeasured) -> dict[str, object]:
    return {"variant": variant_of(arm).model_copy(update={"baseline_digest": OTHER})}


Change = Callable[[ArmMeasured], dict[str, Any]]


def changed(evidence: Evidence, change: Change, *roles: Role) -> Evidence:
    arms = {role.value: getattr(evidence.measured, role.value) for role in roles}
    update = {name: arm.model_copy(update=change(arm)) for name, arm in arms.items()}
    return evidence.model_copy(update={"measured": evidence.measured.model_copy(update=update)})


@pytest.mark.parametrize("roles", [(Role.BASELINE,), (Role.SUBJECT,), tuple(Role)])
@pytest.mark.parametrize(
    ("change", "said", "part"),
    [
        (on_other_windows, "not the 8 evenly spaced ones", "windows"),
        (on_fewer_windows, "was measured on 1 windows that are not the 8", "windows"),
        (with_losses_of_other_windows, "not the 8 evenly spaced ones", "windows"),
        (with_other_losses, "are not those of the same windows", "windows"),
        (under_another_estimator, "measured under the estimator contract", "edge risk"),
        (weights_under_another_estimator, "measured under the estimator contract", "weights"),
        (other_weights, "the weights have the digest 0000000000000000", "weights"),
        (against_another_baseline, "the baseline that they were compared with have the digest", "weights"),
    ],
)
def test_what_the_plan_does_not_name_is_refused(
    unedited: Evidence, change: Change, said: str, part: str, roles: tuple[Role, ...]
) -> None:
    """Also where both models were measured alike, which no comparison of the two finds."""
    other = changed(unedited, change, *roles)
    with pytest.raises(DataError) as caught:
        judge_runs(other.plan, other.measured)
    assert said in caught.value.what
    assert str(caught.value.where).startswith(f"{roles[0].value}: {part}")


def test_what_was_measured_is_what_was_planned(unedited: Evidence, quantized: Evidence) -> None:
    for evidence in (unedited, quantized, *(without(quantized, part) for part in Part)):
        require_planned(evidence.plan, evidence.measured)


def test_weights_that_were_edited_in_memory_have_a_digest_of_their_own(quantized: Evidence) -> None:
    require_planned(quantized.plan, changed(quantized, other_weights, Role.SUBJECT).measured)
