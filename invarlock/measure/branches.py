"""Second moments of branch outputs, in the pass that also gives the window's loss (design page 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from invarlock.data.windows import Window
from invarlock.digests import digest_of
from invarlock.errors import MeasurementError, ModelError
from invarlock.measure.beside_losses import measure_beside_losses
from invarlock.measure.branch_records import BranchMoments, BranchRecord, Tap
from invarlock.measure.forward_hooks import bias_of, hooked
from invarlock.measure.losses import pass_inputs, run_windows, windows_a_pass
from invarlock.measure.models import LoadedModel
from invarlock.measure.records import WindowLoss
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore

KIND = "branch_moments"
_VERSION = 2  # 1 did not say over how many positions a branch was measured


def measure_branches(
    model: LoadedModel,
    windows: Sequence[Window],
    taps: Sequence[Tap],
    store: MeasurementStore,
    *,
    batch_size: int | None = None,
) -> BranchRecord:
    """Loss and moments of each of ``windows``, in order, out of one forward pass.

    The losses are those of :func:`measure_losses`, under its own keys: what one has kept the other finds. Only
    windows that lack the loss or the moments are run. batch_size: as in :func:`measure_losses`.

    Raises
    ------
    ModelError: a tap that the live model has not.
    MeasurementError: a branch output or a loss that is not finite (names windows and tap), and what
        :func:`measure_losses` raises.
    """
    _ensure_there(model, taps)
    size = windows_a_pass(model, batch_size)
    losses, moments = measure_beside_losses(
        model,
        windows,
        store,
        BranchMoments,
        partial(_moments_key, model, taps=taps, size=size),
        partial(_run, taps=taps),
        batch_size=batch_size,
    )
    return BranchRecord(losses=losses, moments=moments)


@dataclass(frozen=True)
class _Branch:
    """One branch in one pass. moments: of each window; positions: of a window, the same for all of a pass."""

    moments: Sequence[float]
    positions: int


def _run(
    model: LoadedModel, windows: Sequence[Window], taps: Sequence[Tap]
) -> list[tuple[WindowLoss, BranchMoments]]:
    recorded: dict[str, _Branch] = {}
    hooks = (
        (model.module.get_submodule(tap.module), partial(_record, recorded, tap, windows)) for tap in taps
    )
    with hooked(hooks):
        losses = run_windows(model, windows)
    moments = [
        BranchMoments(
            window_id=window.id,
            tokens=len(window.tokens),
            second_moments={tap.module: recorded[tap.module].moments[row] for tap in taps},
            positions={tap.module: recorded[tap.module].positions for tap in taps},
        )
        for row, window in enumerate(windows)
    ]
    return list(zip(losses, moments, strict=True))


def _record(
    recorded: dict[str, _Branch],
    tap: Tap,
    windows: Sequence[Window],
    module: torch.nn.Module,
    _inputs: object,
    output: torch.Tensor,
) -> None:
    moments = second_moments(output, bias_of(module), len(windows))
    _ensure_finite(moments, tap, windows)  # here, so that the first branch that breaks is the one named
    positions = output.numel() // (output.shape[-1] * len(windows))
    recorded[tap.module] = _Branch(moments=moments, positions=positions)


def second_moments(output: torch.Tensor, bias: torch.Tensor | None, windows: int) -> list[float]:
    """Per window, the mean over positions and features of (output - bias)^2, in float64.

    output: (windows, positions, features), or its first two dimensions in one. No position is padding: windows are
    batched with those of their own length only.
    """
    branch = output.double() if bias is None else output.double() - bias.double()
    # Features first: a sum over one position is never split between threads, so their number cannot matter.
    by_position = branch.square().mean(-1).reshape(windows, -1)
    return [float(value) for value in by_position.mean(-1).tolist()]


def _ensure_finite(moments: Sequence[float], tap: Tap, windows: Sequence[Window]) -> None:
    broken = [window.id for window, value in zip(windows, moments, strict=True) if not math.isfinite(value)]
    if broken:
        raise MeasurementError(
            f"the output of branch {tap.module} is not finite",
            where=f"windows {', '.join(broken)}",
            fix="use a wider dtype (float16 overflows), or check the model's weights",
        )


def _ensure_there(model: LoadedModel, taps: Sequence[Tap]) -> None:
    modules = dict(model.module.named_modules())
    missing = [tap.module for tap in taps if tap.module not in modules]
    if missing or not taps:
        raise ModelError(
            f"the loaded model has no branch {', '.join(missing)}" if missing else "no branch was named",
            where=model.model_type,
            fix="take the taps of the same checkpoint",
        )


def _moments_key(model: LoadedModel, window: Window, *, taps: Sequence[Tap], size: int) -> MeasurementKey:
    inputs = pass_inputs(model, window, size)
    named = digest_of(sorted(tap.module for tap in taps))
    return MeasurementKey(kind=KIND, version=_VERSION, inputs={**inputs, "taps": named})
