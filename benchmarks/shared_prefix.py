"""Scale sets that share the blocks before their first scaled one, against whole passes of each.

    python -m benchmarks.shared_prefix

The demo model under its 3-bit edit, and a deep random GPT-2 whose head is small beside its blocks; a window a pass on
one core, as the library runs them. The two ways take turns on each window. Passes are counted by hooks.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from benchmarks.pass_count import PassCount
from benchmarks.plain_calls import edited_tensors
from benchmarks.plain_ve_sweep import open_sweep
from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.data.windows import Window, make_window
from invarlock.measure.branch_records import VirtualScales
from invarlock.measure.losses import run_windows
from invarlock.measure.models import LoadedModel, applied, load_model
from invarlock.measure.records import WindowLoss
from invarlock.measure.shared_prefix import Departure, run_departures
from invarlock.measure.virtual_scales import scaled

WINDOWS, DEEP_WINDOWS, TOKENS, ROUNDS = 16, 4, 128, 5
DEEP = GPT2Config(
    vocab_size=512, n_embd=256, n_layer=12, n_head=4, n_positions=TOKENS, bos_token_id=0, eos_token_id=0
)
Losses = Mapping[str, tuple[WindowLoss, ...]]
Way = Callable[[LoadedModel, Window, Sequence[Departure]], Losses]


@contextmanager
def demo() -> Iterator[tuple[LoadedModel, Sequence[Window]]]:
    """The demo sweep's edited model and the calibration windows of its first seed."""
    sweep = open_sweep(Path("unused"))
    (model,) = sweep.plan.models
    windows = sweep.pool.select(model.windows.schedules[sweep.plan.seeds[0]].calibration)
    tensors = edited_tensors(sweep.checkpoint, model.edit)
    with applied(sweep.live, tensors, variant_digest="edited") as live:
        yield live, windows[:WINDOWS]


@contextmanager
def deep() -> Iterator[tuple[LoadedModel, Sequence[Window]]]:
    """Twelve blocks, random weights and windows."""
    torch.manual_seed(0)
    tokens = np.random.default_rng(0).integers(0, DEEP.vocab_size, (DEEP_WINDOWS, TOKENS))
    with tempfile.TemporaryDirectory() as folder:
        GPT2LMHeadModel(DEEP).save_pretrained(folder)
        yield load_model(open_checkpoint(folder), model_digest="deep"), [make_window(row) for row in tokens]


def whole(model: LoadedModel, window: Window, departures: Sequence[Departure]) -> Losses:
    """Each set from the first block on."""
    losses = {}
    for departure in departures:
        with scaled(model, departure.scales):
            losses[departure.scales.digest] = run_windows(model, [window])
    return losses


def shared(model: LoadedModel, window: Window, departures: Sequence[Departure]) -> Losses:
    """Each set from where it departs."""
    return run_departures(model, [window], departures)


def sets(blocks: Sequence[int]) -> list[Departure]:
    """One at each of ``blocks``, no two alike."""
    factors = [1.01 + 0.001 * number for number in range(len(blocks))]
    return [
        Departure(VirtualScales(factors={f"transformer.h.{block}.mlp.c_proj": factor}), block)
        for block, factor in zip(blocks, factors, strict=True)
    ]


def compare(model: LoadedModel, windows: Sequence[Window], departures: Sequence[Departure]) -> str:
    """The numbers of one row: passes and seconds of both ways. Both must give the same bits."""
    count = PassCount(model)
    ways: tuple[Way, Way] = (whole, shared)
    seconds: dict[Way, list[float]] = {way: [] for way in ways}
    passes = dict.fromkeys(ways, 0.0)
    for _ in range(ROUNDS):
        spent = dict.fromkeys(ways, 0.0)
        for window in windows:
            results = []
            for way in ways:
                before, start = count.passes, time.perf_counter()
                results.append(way(model, window, departures))
                spent[way] += time.perf_counter() - start
                passes[way] += (count.passes - before) / ROUNDS
            if results[0] != results[1]:
                raise SystemExit("sharing changes losses")
        for way in ways:
            seconds[way].append(spent[way])
    faster = median(w / s for w, s in zip(seconds[whole], seconds[shared], strict=True))
    return (
        f"{passes[whole]:.4g} | {passes[shared]:.4g} | {passes[shared] / passes[whole]:.2f} "
        f"| {median(seconds[whole]):.2f} | {median(seconds[shared]):.2f} | {faster:.2f}"
    )


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(f"windows of {TOKENS} tokens, as many scale sets as blocks, medians of {ROUNDS} rounds\n")
    print(
        "| model | windows | sets depart at | passes whole | shared | ratio | whole s | shared s | times faster |"
    )
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|")
    for name, opened in (("demo, 4 blocks", demo), ("random, 12 blocks", deep)):
        with opened() as (model, windows):
            layers = len(model.module.transformer.h)
            places = {
                "each block": range(layers),
                "the last": [layers - 1] * layers,
                "the first": [0] * layers,
            }
            for place, blocks in places.items():
                print(f"| {name} | {len(windows)} | {place} | {compare(model, windows, sets(blocks))} |")


if __name__ == "__main__":
    main()
