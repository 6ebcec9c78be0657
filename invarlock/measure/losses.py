"""Losses of windows: each (model variant, window) run once, ever.

A window's loss must not depend on which windows were run beside it, or a run that was killed and resumed
would not give the same bytes. On a CPU that holds by construction: one window a forward pass, which costs
about an eighth of the speed (docs/decisions/0022-one-window-a-pass.md). A larger batch is for accelerators;
its losses are kept apart, under its size, and can differ in the last bits after an interruption.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

import numpy as np
import torch

from invarlock.data.masking import IGNORED, mask_window
from invarlock.data.windows import Tokens, Window
from invarlock.errors import MeasurementError
from invarlock.measure.models import LoadedModel, MetricKind
from invarlock.measure.records import WindowLoss
from invarlock.progress import advance, announce
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore

KIND = "window_loss"
_VERSION = 1
_CPU_BATCH = 1
_ACCELERATOR_BATCH = 16
_SIDE_BY_SIDE = 4  # passes at a time on a CPU: each holds its own logits, tokens x vocabulary


def measure_losses(
    model: LoadedModel,
    windows: Sequence[Window],
    store: MeasurementStore,
    *,
    batch_size: int | None = None,
) -> tuple[WindowLoss, ...]:
    """The loss of each of ``windows``, in order; a window that occurs twice is run once.

    batch_size: windows a forward pass; None is 1 on a CPU, 16 elsewhere. The windows that were run are
    counted by ``store.counts().written["window_loss"]``. Results are kept as each pass ends: a kill
    loses at most the passes in flight, eight on a CPU.

    Raises
    ------
    MeasurementError: a loss that is not finite, a window longer than the model takes; names the windows.
    """
    size = batch_size or (_CPU_BATCH if model.device_class == "cpu" else _ACCELERATOR_BATCH)
    keys = {window.id: _key(model, window, size) for window in windows}
    distinct = {window.id: window for window in windows}
    found = {name: loss for name, key in keys.items() if (loss := store.get(key, WindowLoss)) is not None}
    absent = [window for name, window in distinct.items() if name not in found]
    announce("windows", len(absent))
    for losses in _passes(model, list(_batches(absent, size))):
        for loss in losses:
            store.put(keys[loss.window_id], loss)
            found[loss.window_id] = loss
        advance("windows", len(losses))
    return tuple(found[window.id] for window in windows)


def _passes(model: LoadedModel, batches: Sequence[Sequence[Window]]) -> Iterator[tuple[WindowLoss, ...]]:
    """The losses of each batch, as it ends. On a CPU, passes of one window leave cores idle: some run side by side."""
    if model.device_class != "cpu":
        yield from (run_windows(model, batch) for batch in batches)
        return
    cores = torch.get_num_threads()
    workers = min(cores, _SIDE_BY_SIDE)
    pool = ThreadPoolExecutor(workers)
    torch.set_num_threads(cores // workers)
    waiting = iter(batches)
    in_flight: set[Future[tuple[WindowLoss, ...]]] = set()
    try:
        # Twice the workers: none idles while results are stored, and few finished passes are ever unstored.
        while True:
            for batch in islice(waiting, 2 * workers - len(in_flight)):
                in_flight.add(pool.submit(run_windows, model, batch))
            if not in_flight:
                return
            done, in_flight = wait(in_flight, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)


def run_windows(model: LoadedModel, windows: Sequence[Window]) -> tuple[WindowLoss, ...]:
    """One forward pass over ``windows`` of one length: the bare measurement, nothing kept.

    NLL is the float64 sum of float32 log-softmax over the predicted tokens, in nats.
    """
    _ensure_fits(model, windows)
    rows = [_inputs_and_labels(model, window) for window in windows]
    inputs, labels = (
        torch.from_numpy(np.stack(side)).long().to(model.device) for side in zip(*rows, strict=True)
    )
    with torch.inference_mode():
        nll, tokens = _summed_nll(model, inputs, labels)
    measured = list(zip(windows, nll.tolist(), tokens.tolist(), strict=True))
    broken = [window.id for window, value, count in measured if not math.isfinite(value) or count == 0]
    if broken:
        raise MeasurementError(
            "a loss that is not finite, or is over no token",
            where=f"windows {', '.join(broken)}",
            fix="use a wider dtype (float16 overflows), or check the model's weights",
        )
    return tuple(
        WindowLoss(window_id=window.id, nll=value, tokens=count) for window, value, count in measured
    )


def _batches(windows: Sequence[Window], size: int) -> Iterator[list[Window]]:
    """Batches of windows of one shape, so that nothing is ever padded."""
    by_shape: dict[tuple[int, int], list[Window]] = {}
    for window in windows:
        shape = len(window.tokens), 0 if window.labels is None else len(window.labels)
        by_shape.setdefault(shape, []).append(window)
    for alike in by_shape.values():
        for start in range(0, len(alike), size):
            yield alike[start : start + size]


def _key(model: LoadedModel, window: Window, batch_size: int) -> MeasurementKey:
    return MeasurementKey(
        kind=KIND,
        version=_VERSION,
        inputs={
            "variant": model.variant_digest,
            "window": window.id,
            "metric": model.kind.value,
            "mask_id": model.masking.mask_id if model.masking else None,
            "dtype": model.dtype,
            "device": model.device_class,
            "batch_size": batch_size,
        },
    )


def _ensure_fits(model: LoadedModel, windows: Sequence[Window]) -> None:
    longest, largest = max(len(w.tokens) for w in windows), max(int(w.tokens.max()) for w in windows)
    where = f"windows {', '.join(window.id for window in windows)}"
    if model.longest is not None and longest > model.longest:
        raise MeasurementError(
            f"windows of {longest} tokens, the model takes {model.longest}",
            where=where,
            fix="lower dataset.seq_len",
        )
    if largest >= model.vocabulary:
        raise MeasurementError(
            f"token {largest}, the model has {model.vocabulary}",
            where=where,
            fix="make the windows with the model's own tokenizer",
        )


def _inputs_and_labels(model: LoadedModel, window: Window) -> tuple[Tokens, Tokens]:
    """Input ids and what each position, or each decoder step, should predict; -100 where nothing."""
    if model.kind is MetricKind.SEQ2SEQ:
        if window.labels is None:
            raise MeasurementError(
                "a sequence-to-sequence model needs pairs, this window has no labels",
                where=f"window {window.id}",
                fix="use a dataset of pairs, such as local_jsonl_pairs",
            )
        return window.tokens, window.labels
    if model.masking is not None:
        return mask_window(
            window,
            mask_id=model.masking.mask_id,
            vocab_size=model.vocabulary,
            special_ids=model.masking.special_ids,
        )
    return window.tokens, window.tokens


def _summed_nll(
    model: LoadedModel, inputs: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Per row: summed NLL (float64) and the number of predicted tokens."""
    if model.kind is MetricKind.SEQ2SEQ:
        decoder = model.module.prepare_decoder_input_ids_from_labels(labels)
        logits = model.module(input_ids=inputs, decoder_input_ids=decoder, use_cache=False).logits
    elif model.kind is MetricKind.MASKED:
        logits = model.module(input_ids=inputs).logits
    else:
        logits = model.module(input_ids=inputs, use_cache=False).logits[:, :-1]
        labels = labels[:, 1:]
    predicted = labels != IGNORED
    log_probability = torch.log_softmax(logits.float(), dim=-1)
    chosen = log_probability.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    nll = -torch.where(predicted, chosen, 0.0).double().sum(dim=1)
    return nll, predicted.sum(dim=1)
