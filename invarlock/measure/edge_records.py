"""What is measured of the edge risk of activations: records, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import Field

from invarlock.families import Family
from invarlock.measure.records import EstimatorContract, WindowLoss
from invarlock.record import Record

WINDOWS = 8  # of a schedule, evenly spaced, that edge risk is measured on (design page 2)


class EdgeSite(Record):
    """A module whose output has an edge risk, by its path in the live model, and its family; norms are other."""

    module: str
    family: Family


class EdgeRisk(Record):
    """r = sigma_max(A') / (sqrt(positions) + sqrt(features)) of one output A on one window (design page 2).

    A' is A less its mean, over its standard deviation, both scalars. residual: the error bound that the estimator
    certifies, in units of r; positions, features: rows and columns of A.
    """

    risk: float = Field(gt=0.0)
    residual: float = Field(ge=0.0)
    positions: int = Field(ge=1)
    features: int = Field(ge=1)

    @property
    def ceiling(self) -> float:
        """The largest r that any matrix of this shape can have: that of one direction alone."""
        rows, columns = math.sqrt(self.positions), math.sqrt(self.features)
        return rows * columns / (rows + columns)


class WindowEdges(Record):
    """The edge risk of every site on one window, by module."""

    window_id: str
    edges: Mapping[str, EdgeRisk]


class EdgeRiskRecord(Record):
    """Losses and edge risks of one variant on some windows, in one order, under one estimator contract.

    absent: sites of the checkpoint that the loaded model does not have, such as a BERT's pooler.
    """

    contract: EstimatorContract
    sites: tuple[EdgeSite, ...]
    absent: tuple[EdgeSite, ...]
    losses: tuple[WindowLoss, ...]
    windows: tuple[WindowEdges, ...] = Field(min_length=1)
