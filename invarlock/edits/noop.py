"""The edit that changes nothing."""

from __future__ import annotations

import torch

from invarlock.edits.edited_matrix import EditedMatrix
from invarlock.edits.names import NOOP


def noop(weight: torch.Tensor) -> EditedMatrix:
    """``weight`` as it is: the registered form, by which the name is taken."""
    return EditedMatrix(weight)


class Noop:
    """Leaves every tensor as it is; its digest is the word ``noop``."""

    digest = NOOP
    tensors: tuple[str, ...] = ()

    def apply(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """``tensor`` itself."""
        return tensor
