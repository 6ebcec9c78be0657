"""Damage done on purpose: each function takes a checkpoint's tensors and gives them back with one thing changed.

None touches its input, none changes a dtype, and every random draw comes from the seed that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch

from invarlock.edits.quant_rtn import quantize_rtn

Tensors = dict[str, torch.Tensor]


def changed(
    tensors: Tensors, names: Iterable[str], change: Callable[[torch.Tensor], torch.Tensor]
) -> Tensors:
    """``change`` done in float32 to each of ``names``, rounded back to its dtype. KeyError for an unknown name."""
    edited = {name: change(tensors[name].float()).to(tensors[name].dtype).contiguous() for name in names}
    return tensors | edited


def scaled(tensors: Tensors, names: Iterable[str], factor: float) -> Tensors:
    """Each of ``names`` times ``factor``; -1 turns it over."""
    return changed(tensors, names, lambda weight: weight * factor)


def rows_permuted(tensors: Tensors, names: Iterable[str], seed: int) -> Tensors:
    """The rows of each matrix in a drawn order: every singular value stays as it was."""
    draw = torch.Generator().manual_seed(seed)
    return changed(tensors, names, lambda weight: weight[torch.randperm(len(weight), generator=draw)])


def transposed(tensors: Tensors, names: Iterable[str]) -> Tensors:
    """Square matrices transposed: the shape stays, and every singular value."""
    return changed(tensors, names, lambda weight: weight.T)


def heads_zeroed(
    tensors: Tensors, name: str, heads: Sequence[int], *, width: int, inputs_first: bool
) -> Tensors:
    """What ``heads``, ``width`` features each, give to the output projection ``name``, set to 0.

    inputs_first: the matrix is (in, out), as Conv1D stores it.
    """

    def silence(weight: torch.Tensor) -> torch.Tensor:
        inputs = weight.clone() if inputs_first else weight.T.clone()
        for head in heads:
            inputs[head * width : (head + 1) * width] = 0
        return inputs if inputs_first else inputs.T

    return changed(tensors, [name], silence)


def rounded(tensors: Tensors, names: Iterable[str], bits: int, *, inputs_first: bool) -> Tensors:
    """Round to nearest on 2^bits - 1 levels, one scale an output channel."""

    def to_levels(weight: torch.Tensor) -> torch.Tensor:
        if inputs_first:
            return quantize_rtn(weight.T.contiguous(), bits=bits).weight.T
        return quantize_rtn(weight, bits=bits).weight

    return changed(tensors, names, to_levels)


def rank_one_added(tensors: Tensors, name: str, energy: float, seed: int) -> Tensors:
    """A matrix of one drawn direction added, of ``energy`` times the weight's Frobenius norm: a hidden association."""
    draw = torch.Generator().manual_seed(seed)

    def add(weight: torch.Tensor) -> torch.Tensor:
        left, right = (torch.randn(size, generator=draw) for size in weight.shape)
        direction = torch.outer(left / left.norm(), right / right.norm())
        return weight.add(direction, alpha=energy * float(weight.norm()))

    return changed(tensors, [name], add)


def noise_added(tensors: Tensors, names: Iterable[str], energy: float, seed: int) -> Tensors:
    """Gaussian noise added, of ``energy`` times the weight's root mean square."""
    draw = torch.Generator().manual_seed(seed)

    def add(weight: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(weight.shape, generator=draw)
        return weight + energy * weight.square().mean().sqrt() * noise

    return changed(tensors, names, add)


def pruned(tensors: Tensors, names: Iterable[str], share: float) -> Tensors:
    """The smallest ``share`` of each matrix's weights, by magnitude, set to 0."""

    def prune(weight: torch.Tensor) -> torch.Tensor:
        cut = weight.abs().flatten().kthvalue(round(share * weight.numel())).values
        return torch.where(weight.abs() <= cut, 0.0, weight)

    return changed(tensors, names, prune)


def rank_cut(tensors: Tensors, names: Iterable[str], rank: int) -> Tensors:
    """The best approximation of each matrix by one of ``rank`` directions."""

    def cut(weight: torch.Tensor) -> torch.Tensor:
        left, values, right = torch.linalg.svd(weight, full_matrices=False)
        return torch.mm(left[:, :rank] * values[:rank], right[:rank])

    return changed(tensors, names, cut)


def exchanged(tensors: Tensors, one: str, other: str) -> Tensors:
    """Every tensor whose name starts with ``one`` and its partner under ``other`` change places."""
    partners = {name: other + name.removeprefix(one) for name in tensors if name.startswith(one)}
    partners |= {partner: name for name, partner in partners.items()}
    return tensors | {name: tensors[partner] for name, partner in partners.items()}


def untied(tensors: Tensors, embedding: str, head: str, energy: float, seed: int) -> Tensors:
    """An output head of its own, ``head``: the embedding with noise of ``energy`` times its root mean square."""
    copied = tensors | {head: tensors[embedding].clone()}
    return noise_added(copied, [head], energy, seed)


def poisoned(tensors: Tensors, name: str) -> Tensors:
    """One element, the middle one, NaN."""
    damaged = tensors[name].clone()
    damaged.view(-1)[damaged.numel() // 2] = float("nan")
    return tensors | {name: damaged}
