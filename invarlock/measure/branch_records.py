"""What is measured of a model's branches, and under scales on them: records, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from invarlock.digests import digest_of
from invarlock.families import Family
from invarlock.measure.records import WindowLoss
from invarlock.record import Record

_ARITHMETIC = 1  # version of what a scale does to a branch; raised when losses under the same factors change


class Tap(Record):
    """Where variance equalization may attach: the output of a branch of a block, before it joins the residual.

    module: path in the live model; canonical: the same place as GPT-2 spells it, such as
    ``transformer.h.3.mlp.c_proj``; family: of the branch, ffn or attn; block: number in its stack, from 0.
    """

    module: str
    canonical: str
    family: Family
    block: int


class BranchMoments(Record):
    """Second moments of every branch on one window.

    tokens: of the window's input; second_moments: by tap module, the mean over valid positions and features of the
    squared branch output less the projection's bias; positions: by tap module, how many that mean is over (a decoder
    beside an encoder has those of the labels).
    """

    window_id: str
    tokens: int
    second_moments: Mapping[str, float]
    positions: Mapping[str, int]


class BranchRecord(Record):
    """Losses and branch moments of one variant on some windows, in one order."""

    losses: tuple[WindowLoss, ...]
    moments: tuple[BranchMoments, ...]


def _rescales(factor: float) -> float:
    if factor == 1.0:
        raise ValueError("1 is no factor: it leaves the branch as it is")
    return factor


Factor = Annotated[float, Field(gt=0.0), AfterValidator(_rescales)]
"""What a branch output is multiplied by: finite, above 0, not 1."""


class VirtualScales(Record):
    """Factors that virtual variance equalization puts on branches, by tap module. At least one, each > 0 and not 1."""

    factors: Mapping[str, Factor] = Field(min_length=1)

    @property
    def digest(self) -> str:
        """Hex SHA-256 that names this set of factors."""
        return digest_of(self)

    def variant_of(self, digest: str) -> str:
        """Hex SHA-256 that names the model of ``digest`` with these factors on its branches."""
        return digest_of([digest, self.digest, _ARITHMETIC])


class ScaledLosses(Record):
    """The losses of one variant with ``scales`` on its branches, in the order of the windows asked for."""

    scales: VirtualScales
    losses: tuple[WindowLoss, ...]


class ScaledRecord(Record):
    """The losses of one variant under several scale sets."""

    sets: tuple[ScaledLosses, ...]
