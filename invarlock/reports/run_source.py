"""What a run was made from, whatever planned it, and the blocks that every run's report begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.schedule import Schedule
from invarlock.errors import DataError
from invarlock.measure.records import VariantMeasurement
from invarlock.metrics.paired_windows import OnWindow, name_windows
from invarlock.policy.resolution import ResolvedPolicy
from invarlock.provenance import CodeVersion
from invarlock.reports.run_report import DataBlock, EditBlock, RunMeta

DETERMINISM = "estimates are seeded; a window's loss does not depend on the windows beside it"

W = TypeVar("W", bound=OnWindow)


@dataclass(frozen=True)
class RunSource:
    """model: the reference that the user named."""

    model: str
    profile: str
    arithmetic: Arithmetic
    dataset: DatasetSpec
    tokenizer_hash: str
    schedule: Schedule
    policy: ResolvedPolicy
    code: CodeVersion

    @property
    def meta(self) -> RunMeta:
        """Who made the run, with what."""
        return RunMeta(
            tier=self.policy.tier.value,
            profile=self.profile,
            seed=self.schedule.seed,
            model_id=self.model,
            dtype=self.arithmetic.dtype.value,
            device=self.arithmetic.device,
            code=self.code,
            determinism=DETERMINISM,
        )

    def data(self, *, preview: int = 0, final: int = 0, calibration: int = 0) -> DataBlock:
        """Where the windows came from; preview, final, calibration: how many of each the run looked at."""
        floor = self.policy.policy.metrics.sampling.min_windows
        return DataBlock(
            provider=self.schedule.provider,
            seq_len=self.dataset.seq_len,
            stride=self.dataset.seq_len,
            dataset_hash=self.schedule.dataset_hash,
            tokenizer_hash=self.tokenizer_hash,
            schedule_digest=self.schedule.digest,
            preview_windows=preview,
            final_windows=final,
            calibration_windows=calibration,
            window_floor=floor,
            underpowered=min(preview, final) < floor if preview or final else None,
        )


def edit_block(subject: VariantMeasurement) -> EditBlock:
    """What was done to the weights, and how many matrices it changed."""
    changed = sum(drift.relative_change > 0 for drift in subject.drift.values())
    return EditBlock(
        name=subject.edit.name,
        plan=subject.edit.plan,
        digest=subject.edit.digest,
        deltas={"matrices": len(subject.weights.modules), "matrices_changed": changed},
        errors=subject.errors,
    )


def on_windows(measured: Sequence[W], ids: Sequence[str]) -> tuple[W, ...]:
    """What was measured on the windows ``ids``, in their order. DataError names those that it lacks."""
    known = {each.window_id: each for each in measured}
    if missing := [window for window in ids if window not in known]:
        raise DataError(
            f"{len(missing)} of {len(ids)} windows of the schedule were not measured",
            where=name_windows(missing),
            fix="run the model on the windows of its schedule",
        )
    return tuple(known[window] for window in ids)
