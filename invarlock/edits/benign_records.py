"""Harmless edits as they are asked for: records without arithmetic, so that plans are read without torch."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from invarlock.digests import digest_of
from invarlock.record import Record

if TYPE_CHECKING:
    import torch

VERSION = 2  # of the arithmetic below; raised when an edit of the same name gives other numbers


class RoundTrip(Record):
    """To a narrower format and back."""

    kind: Literal["bf16_round_trip", "fp16_round_trip"]


class StochasticRounding(Record):
    """To bfloat16, up or down at random, and back. seed: of run and base, mixed."""

    kind: Literal["stochastic_bf16"] = "stochastic_bf16"
    seed: int


class UlpNoise(Record):
    """One unit in the last place up, down or not at all, at random. seed: of run and base, mixed."""

    kind: Literal["ulp_noise"] = "ulp_noise"
    seed: int


class Rtn8(Record):
    """8-bit round-to-nearest along the stored rows; where the group size does not divide a row, the row is
    one group."""

    kind: Literal["rtn8"] = "rtn8"
    group_size: int | None
    clip: float


Parameters = Annotated[RoundTrip | StochasticRounding | UlpNoise | Rtn8, Field(discriminator="kind")]


class BenignEdit(Record):
    """One harmless edit: what is done, and the matrices it is done to."""

    parameters: Parameters
    tensors: tuple[str, ...]
    version: int = VERSION

    @property
    def kind(self) -> str:
        """What is done, such as ``bf16_round_trip``."""
        return self.parameters.kind

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of what was asked. Two edits of one digest give the same weights on the same base."""
        return digest_of(self)

    def apply(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """The edited tensor; see :func:`invarlock.edits.benign.apply_edit`."""
        from invarlock.edits.benign import apply_edit  # late: what reads plans needs no torch

        return apply_edit(self, name, tensor)
