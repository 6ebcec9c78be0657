"""A checkpoint with an edit laid over it, tensor by tensor: nothing is written and the base is never
changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from pydantic import JsonValue

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.checkpoints.safetensors_file import TensorEntry


class WeightEdit(Protocol):
    """An edit of weights. It keeps names, shapes and dtypes."""

    @property
    def digest(self) -> str:
        """What was asked, as a hash (or ``noop``)."""

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the tensors that it may change."""

    def apply(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """The edited tensor; the input may be overwritten."""


@dataclass(frozen=True)
class EditedCheckpoint:
    """A :class:`TensorSource`: ``base`` after ``edit``. Its identity is the digests of its tensors."""

    base: TensorSource
    edit: WeightEdit

    @property
    def root(self) -> Path:
        """The base's folder."""
        return self.base.root

    @property
    def config(self) -> Mapping[str, JsonValue]:
        """The base's parsed ``config.json``."""
        return self.base.config

    @property
    def model_type(self) -> str:
        """The base's model type."""
        return self.base.model_type

    @property
    def entries(self) -> tuple[TensorEntry, ...]:
        """The base's tensors, sorted by name: an edit keeps names, shapes and dtypes."""
        return self.base.entries

    def read(self, name: str) -> torch.Tensor:
        """One tensor after the edit, in its stored dtype."""
        return self.edit.apply(name, self.base.read(name))
