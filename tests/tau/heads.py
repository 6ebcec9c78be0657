"""Small models with a head of two outputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RationalHead(nn.Module):
    """(P, Q) are the two last features, so that a test can choose them."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[..., 0], x[..., 1]


class TinyModel(nn.Module):
    """A layer and a rational head, dropout between them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 8)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p, q = self.head(self.drop(torch.tanh(self.layer(x)))).unbind(-1)
        return p, q


class NormedModel(nn.Module):
    """Two layers, batch norm between them, in float64."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        layers = nn.Linear(3, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2)
        self.layers = nn.Sequential(*layers).double()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p, q = self.layers(x).unbind(-1)
        return p, q


class Gives(nn.Module):
    """Gives one thing, whatever it is asked."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, *_: Tensor) -> object:
        return self.output


class ZeroesWhenExported(nn.Module):
    """A model that torch exports to another than it runs: |Q| below 0.5 becomes 0 there."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p, q = x[..., 0], x[..., 1]
        if torch.compiler.is_exporting():
            q = torch.where(q.abs() < 0.5, q * 0, q)
        return p, q


class Casts(nn.Module):
    """Gives its input in another type."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        return x.to(self.dtype)
