"""A registered edit as it was planned for one checkpoint: records without arithmetic, read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import JsonValue

from invarlock.digests import digest_of
from invarlock.record import Record

if TYPE_CHECKING:
    import torch


class EditTarget(Record):
    """One matrix that is edited.

    module: path; tensor: its name in the checkpoint; shape: rows, columns as stored; transposed: whether those are
    (in, out); index: of the matrix in a fused 3-D tensor, None where the tensor is the matrix.
    """

    module: str
    tensor: str
    shape: tuple[int, int]
    transposed: bool
    index: int | None

    def matrix_of(self, tensor: torch.Tensor) -> torch.Tensor:
        """The target's own matrix, a view."""
        return tensor if self.index is None else tensor[self.index]


class PlannedEdit(Record):
    """A registered edit and what it is done to. See :func:`invarlock.edits.plan.plan_edit`.

    plan: every key, defaults filled in; targets: in natural order of their names; code_sha256: of the package
    that defines the edit, so that another version of it is another edit.
    """

    name: str
    plan: Mapping[str, JsonValue]
    targets: tuple[EditTarget, ...]
    code_sha256: str

    @property
    def modules(self) -> tuple[str, ...]:
        """Paths of the modules that are edited."""
        return tuple(target.module for target in self.targets)

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the checkpoint's tensors that are edited, each once."""
        return tuple(dict.fromkeys(target.tensor for target in self.targets))

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of what was asked. Two edits of one digest give the same weights on the same base."""
        return digest_of(self)

    def __hash__(self) -> int:
        return hash(self.digest)

    def apply(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """The edited tensor; see :func:`invarlock.edits.apply_plan.apply_plan`."""
        from invarlock.edits.apply_plan import apply_plan  # late: what reads plans needs no torch

        return apply_plan(self, name, tensor)
