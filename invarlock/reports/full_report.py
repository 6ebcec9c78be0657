"""``calibration_report.json``: what the four parts of a full calibration recommend, together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from invarlock.calibration.full_plan import FullPlan
from invarlock.policy.diff import Change, diff_tiers
from invarlock.policy.tiers_file import TiersFile, apply_patch, read_tiers
from invarlock.policy.tree import flatten, merge
from invarlock.record import Record
from invarlock.reports.full_parts import FullPart, FullParts
from invarlock.reports.sweep_report import CalibrationReport, Work


class FullOptions(Record):
    """The options of a full calibration."""

    base_config: str
    config_sha256: str
    basis: str
    profile: str
    tiers: tuple[str, ...]
    seeds: tuple[int, ...]
    model: str
    edit: str
    edit_plan: Mapping[str, JsonValue]
    null: str


class Recommendation(Change):
    """A change, and whether the runs show what its new value is to hold."""

    supported: bool


class FullReport(CalibrationReport):
    """The record behind ``calibration_report.json``.

    recommendations: what the combined patch changes in the tiers file; kept: how many of its values are in force.
    """

    schema_version: Literal["calibration-report/1"] = "calibration-report/1"
    kind: Literal["calibration"] = "calibration"
    run_key: str
    config: FullOptions
    tiers_sha256: str
    parts: Mapping[str, FullPart]
    recommendations: tuple[Recommendation, ...]
    kept: int


def full_report(plan: FullPlan, parts: FullParts, *, generated_at: str, work: Work) -> FullReport:
    """The report of ``plan`` from its published parts."""
    patch = combined(parts)
    settled = plan.ve_sweep
    base = read_tiers(settled.tiers_input.text, Path(settled.tiers_input.name))
    changes = diff_tiers(base, apply_patch(base, patch))
    return FullReport(
        generated_at=generated_at,
        run_key=plan.run_key,
        config=FullOptions(
            base_config=settled.config_input.name,
            config_sha256=settled.config_input.sha256,
            basis=settled.config.basis.value,
            profile=settled.profile,
            tiers=tuple(tier.value for tier in settled.tiers),
            seeds=settled.seeds,
            model=settled.models[0].identity.reference,
            edit=settled.config.edit.name,
            edit_plan=settled.config.edit.plan,
            null=plan.null_sweep.null.value,
        ),
        tiers_sha256=settled.tiers_input.sha256,
        parts=parts.described(),
        recommendations=tuple(
            Recommendation(**dict(change), supported=parts.supported(change)) for change in changes
        ),
        kept=len(flatten(patch.given())) - len(changes),
        volatile=work,
    )


def combined(parts: FullParts) -> TiersFile:
    """All recommended keys. The patches of the parts share none: each is of another guard."""
    values: dict[str, JsonValue] = {}
    for folder, text in parts.patches.items():
        values = merge(values, read_tiers(text, Path(folder)).given())
    return TiersFile.model_validate(values)
