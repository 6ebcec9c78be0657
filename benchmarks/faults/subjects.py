"""The subjects: what is planted, how strongly, and what is only made to look different."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.faults.anatomy import Anatomy
from benchmarks.faults.plants import (
    Tensors,
    changed,
    exchanged,
    heads_zeroed,
    noise_added,
    poisoned,
    pruned,
    rank_cut,
    rank_one_added,
    rounded,
    rows_permuted,
    scaled,
    transposed,
    untied,
)
from invarlock.edits.rounding import round_trip, ulp_noise

SEED = 0
_HIT = 1  # the block that a fault of one block is planted in
Plant = Callable[[Tensors], Tensors]


@dataclass(frozen=True)
class Subject:
    """What is done to the baseline's tensors. strength: in words; shards: files that the weights are saved in."""

    name: str
    strength: str
    plant: Plant
    harmless: bool = False
    shards: int = 1


def faults(model: Anatomy) -> tuple[Subject, ...]:
    """Damage of every kind, mildest first within each."""
    return (
        *_of_size(model),
        *_of_order(model),
        *_of_precision(model),
        *_of_parts(model),
        *_of_norms(model),
        *_of_numbers(model),
    )


def harmless(model: Anatomy) -> tuple[Subject, ...]:
    """What no gate may refuse."""
    return tuple(_harmless(model))


def _of_size(model: Anatomy) -> Iterator[Subject]:
    block, every = model.of(model.matrices, _HIT), model.of(model.matrices)
    for factor in (1.1, 1.5, 3.0):
        yield Subject("one layer scaled", f"x {factor:g}", partial(scaled, names=block, factor=factor))
    for factor in (1.1, 1.5, 3.0):
        yield Subject(
            "all block weights scaled", f"x {factor:g}", partial(scaled, names=every, factor=factor)
        )
    for energy in (0.01, 0.05, 0.2):
        add = partial(rank_one_added, name=model.blocks[_HIT] + model.narrowing, energy=energy, seed=SEED)
        yield Subject("one direction added", f"{energy:.0%} of the norm", add)


def _of_order(model: Anatomy) -> Iterator[Subject]:
    outputs = model.of((model.output,))
    reach = {
        "one matrix": model.of((model.output,), _HIT),
        "one block": model.of(model.matrices, _HIT),
        "every block": model.of(model.matrices),
    }
    for strength, names in reach.items():
        yield Subject("rows permuted", strength, partial(rows_permuted, names=names, seed=SEED))
    for strength, names in reach.items():
        yield Subject("sign flipped", strength, partial(scaled, names=names, factor=-1.0))
    for count in (1, len(outputs)):
        transpose = partial(transposed, names=outputs[-count:])
        yield Subject("square weight transposed", f"{count} of {len(outputs)}", transpose)
    last = len(model.blocks) - 1
    for number in sorted({0, last - 1}, reverse=True):
        swap = partial(exchanged, one=model.blocks[number], other=model.blocks[last])
        yield Subject("layers exchanged", f"{number} and {last}", swap)


def _of_precision(model: Anatomy) -> Iterator[Subject]:
    block = model.of(model.matrices, _HIT)
    for bits in (4, 3, 2):
        yield Subject(
            "one layer dropped to few bits",
            f"{bits} bits",
            partial(rounded, names=block, bits=bits, inputs_first=model.inputs_first),
        )
    for energy in (0.1, 0.3, 1.0):
        add = partial(noise_added, names=block, energy=energy, seed=SEED)
        yield Subject("noise on one layer", f"{energy:.0%} of the rms", add)


def _of_parts(model: Anatomy) -> Iterator[Subject]:
    output, block = model.blocks[_HIT] + model.output, model.of(model.matrices, _HIT)
    for count in (1, 2, 4):
        zero = partial(
            heads_zeroed,
            name=output,
            heads=range(count),
            width=model.head_width,
            inputs_first=model.inputs_first,
        )
        yield Subject("heads zeroed", str(count), zero)
    for share in (0.3, 0.6, 0.9):
        yield Subject("one layer pruned", f"{share:.0%}", partial(pruned, names=block, share=share))
    for rank in (96, 24, 1):
        yield Subject("one layer cut in rank", f"rank {rank}", partial(rank_cut, names=block, rank=rank))
    if model.tied:
        for energy in (0.1, 0.5, 1.0):
            untie = partial(untied, embedding=model.embedding, head=model.head, energy=energy, seed=SEED)
            yield Subject("tied embedding broken", f"noise {energy:.0%} of the rms", untie)


def _of_norms(model: Anatomy) -> Iterator[Subject]:
    one, every = [model.blocks[_HIT] + model.gains[1]], [*model.of(model.gains), model.last_gain]
    for factor in (1.2, 1.5, 3.0):
        yield Subject("norm gain scaled", f"x {factor:g}", partial(scaled, names=one, factor=factor))
    for strength, names in (("one", one), ("one block", model.of(model.gains, _HIT)), ("every", every)):
        yield Subject("norm gain flipped", strength, partial(scaled, names=names, factor=-1.0))


def _of_numbers(model: Anatomy) -> Iterator[Subject]:
    places = {
        "a weight": model.matrices[0],
        "a bias": next(iter(model.biases), None),
        "a gain": model.gains[0],
    }
    for place, part in places.items():
        if part is not None:
            yield Subject("one NaN", f"in {place}", partial(poisoned, name=model.blocks[_HIT] + part))


def _harmless(model: Anatomy) -> Iterator[Subject]:
    yield Subject("the baseline itself", "", _kept, harmless=True)
    for dtype in (torch.bfloat16, torch.float16):
        name = str(dtype).removeprefix("torch.")
        yield Subject(
            "round trip",
            f"through {name}",
            partial(_each, change=partial(round_trip, through=dtype)),
            harmless=True,
        )
    matrices = model.of(model.matrices)
    eight = partial(rounded, names=matrices, bits=8, inputs_first=model.inputs_first)
    yield Subject("8-bit round to nearest", "block matrices", eight, harmless=True)
    yield Subject(
        "8-bit round to nearest",
        "embedding too",
        lambda tensors: rounded(eight(tensors), [model.embedding], 8, inputs_first=False),
        harmless=True,
    )
    yield Subject("one unit in the last place", "every weight", _ulp_noise, harmless=True)
    if model.tied:
        store_head = partial(untied, embedding=model.embedding, head=model.head, energy=0.0, seed=SEED)
        yield Subject("saved again", "with the tied head", store_head, harmless=True)
    yield Subject("saved again", "in 3 shards", _kept, harmless=True, shards=3)
    yield Subject("saved again", "as float32", partial(_stored_as, dtype=torch.float32), harmless=True)
    yield Subject("saved again", "as bfloat16", partial(_stored_as, dtype=torch.bfloat16), harmless=True)


def _kept(tensors: Tensors) -> Tensors:
    return dict(tensors)


def _each(tensors: Tensors, change: Callable[[torch.Tensor], torch.Tensor]) -> Tensors:
    return changed(tensors, tensors, change)


def _stored_as(tensors: Tensors, dtype: torch.dtype) -> Tensors:
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


def _ulp_noise(tensors: Tensors) -> Tensors:
    draw = torch.Generator().manual_seed(SEED)
    return {name: ulp_noise(tensor, draw) for name, tensor in tensors.items()}
