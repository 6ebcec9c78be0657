"""The demo VE sweep cell by cell, as each would be run alone. Run by ``benchmarks.ve_sweep``.

    python -m benchmarks.naive_ve_sweep

A cell passes its own windows through the baseline, A and B; only the live model and the edited tensors are shared. It
stops at the mean delta: no weight statistics, intervals or files, so a whole naive sweep would be slower. Prints as
JSON the seconds of the work (after the imports), the forward passes, counted by hooks, and the deltas.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks.pass_count import PassCount
from benchmarks.plain_calls import edited_tensors
from benchmarks.plain_ve_sweep import Opened, open_sweep
from invarlock.data.windows import Window
from invarlock.guards.variance_scales import propose_scales
from invarlock.measure.branch_records import BranchMoments, Tap
from invarlock.measure.branches import second_moments
from invarlock.measure.forward_hooks import bias_of, hooked
from invarlock.measure.losses import run_windows
from invarlock.measure.models import LoadedModel, applied
from invarlock.measure.records import WindowLoss
from invarlock.measure.virtual_scales import scaled
from invarlock.policy.variance import VariancePolicy


def naive(sweep: Opened) -> dict[str, float | None]:
    """Mean delta of each cell, nats per token, by folder; None where no scales are proposed or the gate is off."""
    (model,) = sweep.plan.models
    tensors = edited_tensors(sweep.checkpoint, model.edit)
    return {
        cell.folder: mean_delta(
            sweep.live,
            tensors,
            sweep.pool.select(schedule.calibration[: cell.windows]),
            model.edited,
            sweep.plan.policies[cell.tier].policy.variance,
        )
        for seed, schedule in model.windows.schedules.items()
        for cell in sweep.plan.cells_of(model.label, seed)
    }


def mean_delta(
    live: LoadedModel,
    tensors: Mapping[str, torch.Tensor],
    windows: Sequence[Window],
    taps: Sequence[Tap],
    policy: VariancePolicy,
) -> float | None:
    """One cell on its own: three whole passes of each window."""
    baseline = [run_with_moments(live, window, taps) for window in windows]
    with applied(live, tensors, variant_digest="edited") as variant:
        a = [run_with_moments(variant, window, taps) for window in windows]
        scales = propose_scales([m for _, m in baseline], [m for _, m in a], taps, policy).scales
        if scales is None or not policy.predictive_gate:
            return None
        with scaled(variant, scales):
            b = [run_windows(variant, [window])[0] for window in windows]
    moved = sum(after.nll - before.nll for after, (before, _) in zip(b, a, strict=True))
    return moved / sum(loss.tokens for loss in b)


def run_with_moments(
    model: LoadedModel, window: Window, taps: Sequence[Tap]
) -> tuple[WindowLoss, BranchMoments]:
    """One pass."""
    seen: dict[str, float] = {}

    def note(tap: Tap, module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
        (seen[tap.module],) = second_moments(output, bias_of(module), 1)

    with hooked((model.module.get_submodule(tap.module), partial(note, tap)) for tap in taps):
        (loss,) = run_windows(model, [window])
    tokens = len(window.tokens)
    return loss, BranchMoments(
        window_id=window.id, tokens=tokens, second_moments=seen, positions=dict.fromkeys(seen, tokens)
    )


if __name__ == "__main__":
    begun = time.perf_counter()
    sweep = open_sweep(Path("unused"))
    count = PassCount(sweep.live)
    deltas = naive(sweep)
    counted = {"passes": count.passes, "heads": count.heads}
    print(json.dumps({"work_s": time.perf_counter() - begun, **counted, "deltas": deltas}))
