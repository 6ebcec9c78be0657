"""A population of harmless edits, one a seed and base: what a guard must not warn about (design page 5)."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

import torch

from invarlock.checkpoints.safetensors_file import DTYPES, TensorEntry
from invarlock.edits.benign_records import BenignEdit, RoundTrip, Rtn8, StochasticRounding, UlpNoise
from invarlock.edits.quant_rtn import quantize_rtn
from invarlock.edits.rounding import round_trip, stochastic_bf16, ulp_noise
from invarlock.errors import ModelError

_GROUP_SIZES = (None, 128, 64, 32)
_CLIPS = (0.0, 0.0001, 0.001)


def benign_edit(seed: int, entries: Sequence[TensorEntry], base: str) -> BenignEdit:
    """The harmless edit of ``seed`` for the checkpoint with these tensors whose model digest is ``base``.

    Edits of one seed on different bases are independent draws: else pooled models of one seed would drift
    alike, and n seeds of k models would say little more than n.
    The kind is drawn among those that can change the stored dtype: a bfloat16 round trip of bfloat16 weights
    is no edit. It is done to a random subset of the floating-point matrices of the commonest dtype, at least
    one of them. Weights that are exactly representable in the narrower format can still come out unchanged: a
    run counts by the digest of its weights, not by the name of its edit.

    Raises ModelError when no matrix has a dtype that any kind can change.
    """
    dtype, matrices = _matrices(entries)
    mixed = _mix(seed, base)
    draw = random.Random(mixed)
    kind = draw.choice(KINDS_BY_DTYPE[dtype])
    chosen = draw.sample(matrices, draw.randint(1, len(matrices)))
    return BenignEdit(parameters=_parameters(kind, mixed, draw), tensors=tuple(sorted(chosen)))


KINDS_BY_DTYPE: dict[torch.dtype, tuple[str, ...]] = {
    torch.float64: ("bf16_round_trip", "fp16_round_trip", "stochastic_bf16", "rtn8"),
    torch.float32: ("bf16_round_trip", "fp16_round_trip", "stochastic_bf16", "ulp_noise", "rtn8"),
    torch.float16: ("bf16_round_trip", "stochastic_bf16", "ulp_noise", "rtn8"),
    # bfloat16 values of ordinary size are float16 values too: that round trip would change nothing.
    torch.bfloat16: ("ulp_noise", "rtn8"),
}


def apply_edit(edit: BenignEdit, name: str, tensor: torch.Tensor) -> torch.Tensor:
    """``tensor`` after ``edit``: itself when it is not among the edit's tensors, else a new one of the same
    dtype.

    Arithmetic is float32. Random kinds draw from a generator of their seed and ``name``, so the order in
    which tensors are read does not matter.
    """
    if name not in edit.tensors:
        return tensor
    match edit.parameters:
        case RoundTrip(kind="bf16_round_trip"):
            return round_trip(tensor, torch.bfloat16)
        case RoundTrip():
            return round_trip(tensor, torch.float16)
        case StochasticRounding(seed=seed):
            return stochastic_bf16(tensor, _generator(seed, name))
        case UlpNoise(seed=seed):
            return ulp_noise(tensor, _generator(seed, name))
        case Rtn8(group_size=group_size, clip=clip):
            fits = group_size is not None and tensor.shape[-1] % group_size == 0
            return quantize_rtn(tensor, bits=8, group_size=group_size if fits else None, clip=clip).weight


def _matrices(entries: Sequence[TensorEntry]) -> tuple[torch.dtype, list[str]]:
    by_dtype: dict[torch.dtype, list[str]] = {}
    for entry in entries:
        dtype = DTYPES[entry.dtype]
        if len(entry.shape) in (2, 3) and dtype in KINDS_BY_DTYPE:
            by_dtype.setdefault(dtype, []).append(entry.name)
    if not by_dtype:
        raise ModelError(
            "no weight matrix is stored in a format that a harmless edit can change",
            fix="use a checkpoint in float32, float16 or bfloat16",
        )
    return max(by_dtype.items(), key=lambda item: len(item[1]))


def _mix(seed: int, base: str) -> int:
    """One seed of 48 bits, which every JSON reader keeps exactly."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{base}".encode()).digest()[:6])


def _parameters(
    kind: str, seed: int, draw: random.Random
) -> RoundTrip | StochasticRounding | UlpNoise | Rtn8:
    match kind:
        case "stochastic_bf16":
            return StochasticRounding(seed=seed)
        case "ulp_noise":
            return UlpNoise(seed=seed)
        case "rtn8":
            return Rtn8(group_size=draw.choice(_GROUP_SIZES), clip=draw.choice(_CLIPS))
    return RoundTrip.model_validate({"kind": kind})


def _generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)
