"""What a measurement says: the records that measuring writes and deciding reads. No torch here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, ValidationInfo, field_validator

from invarlock.digests import digest_of
from invarlock.families import Family
from invarlock.record import Record

_LARGEST_TOL = 1e-4  # the relative error that is promised of a converged sigma_max (design page 2)


class EstimatorContract(Record):
    """How sigma_max was estimated; two numbers are comparable only under the same contract.

    method: ``lanczos`` (converged) or ``power_iter`` (the published caps' estimator); tol: relative residual
    at which Lanczos stops, in (0, 1e-4], not used by ``power_iter``; max_iter: steps at most; seed: of the
    Gaussian start; dtype: of the arithmetic.
    """

    method: Literal["lanczos", "power_iter"]
    tol: float = Field(ge=0.0)
    max_iter: int = Field(ge=1)
    seed: int = Field(ge=0, lt=2**63)
    dtype: Literal["float32", "float64"]

    @field_validator("tol")
    @classmethod
    def _reachable(cls, tol: float, info: ValidationInfo) -> float:
        if info.data.get("method") == "lanczos" and not 0.0 < tol <= _LARGEST_TOL:
            raise ValueError(f"{tol} is not in (0, {_LARGEST_TOL}], the range for lanczos")
        return tol

    @property
    def digest16(self) -> str:
        """First 16 hex characters of the contract's SHA-256."""
        return digest_of(self)[:16]


class NormRange(Record):
    """Euclidean norms of the rows, or columns, of one matrix.

    zeros: how many are dead, at most 1e-6 of the largest (an edit by SVD leaves rounding where a padding row
    was 0); min, median, max: over the others, 0 when there are none.
    """

    zeros: int
    min: float
    median: float
    max: float


class ModuleStatistics(Record):
    """One matrix, measured.

    name: module path; family and rule: where it was placed and by which rule; shape: rows, columns; aliases:
    other names of the same (tied) tensor; tensor_sha256: over shape, dtype and bytes; sigma_max: largest
    singular value; sigma_residual: the bound on its error that the estimator certifies; steps: it took;
    frobenius: ||W||_F; stable_rank: ||W||_F^2 / sigma_max^2; rms: ||W||_F / sqrt(rows x columns).
    """

    name: str
    family: Family
    rule: str
    shape: tuple[int, int]
    aliases: tuple[str, ...]
    tensor_sha256: str
    sigma_max: float
    sigma_residual: float
    steps: int
    frobenius: float
    stable_rank: float
    rms: float
    row_norms: NormRange
    column_norms: NormRange


class Drift(Record):
    """How far one module moved from its baseline, of D = W - W_base.

    log_sigma: log(sigma / sigma_base); relative_change: ||D||_F / ||W_base||_F; edit_edge: sigma_max(D) /
    (rms(D) (sqrt(rows) + sqrt(columns))), about 1 when D is noise, large when it has a direction, 0 at D = 0.
    """

    log_sigma: float
    relative_change: float
    edit_edge: float


class WeightMeasurement(Record):
    """Every matrix of one checkpoint under one estimator contract."""

    model_digest: str
    contract: EstimatorContract
    modules: tuple[ModuleStatistics, ...]


class InvariantsSnapshot(Record):
    """What must not change under an edit.

    parameter_shapes: name to shape; tied_groups: names that share one tensor, each group and the groups
    sorted; norm_layers: names of LayerNorm and RMSNorm modules; embedding_rows: rows of the input embedding;
    vocabulary_size: of the tokenizer, None when there is none; config_sha256: over the config fields that
    shape the graph; nonfinite: names of parameters and buffers with NaN or infinity.
    """

    parameter_shapes: Mapping[str, tuple[int, ...]]
    tied_groups: tuple[tuple[str, ...], ...]
    norm_layers: tuple[str, ...]
    embedding_rows: int
    vocabulary_size: int | None
    config_sha256: str
    nonfinite: tuple[str, ...]


class WindowLoss(Record):
    """Summed negative log-likelihood (nats) of one window and the number of predicted tokens in it."""

    window_id: str
    nll: float
    tokens: int


class WindowHits(Record):
    """How many of one window's predicted tokens were the most likely one (top 1), and how many were predicted."""

    window_id: str
    tokens: int = Field(ge=1)
    hits: int = Field(ge=0)

    @field_validator("hits")
    @classmethod
    def _of_the_predicted(cls, hits: int, info: ValidationInfo) -> int:
        if hits > info.data.get("tokens", hits):
            raise ValueError(f"{hits} hits among {info.data['tokens']} predicted tokens")
        return hits


class ModelIdentity(Record):
    """A checkpoint that was opened and hashed: everything that decides what it computes.

    reference: as the user named it; root: its folder on this machine; digest: hex SHA-256 over the sorted
    (name, dtype, shape, tensor hash); config_sha256: of config.json without bookkeeping; tokenizer_sha256: of the
    tokenizer's files; metric: of its kind (``ppl_causal``, ``ppl_mlm``, ``ppl_seq2seq``).
    """

    reference: str
    root: str
    digest: str
    config_sha256: str
    tokenizer_sha256: str
    model_type: str
    metric: str

    def behaviour(self, weights_digest: str) -> str:
        """Hex SHA-256 that names this model with other weights: the same weights under another config differ."""
        return digest_of([weights_digest, self.config_sha256, self.tokenizer_sha256])


class EditIdentity(Record):
    """An edit by name, plan and digest; ``noop`` for none."""

    name: str
    plan: Mapping[str, JsonValue]
    digest: str


class EditError(Record):
    """What an edit did to one matrix W, giving W'; D = W' - W, over its elements.

    mean_abs, max_abs, rmse: of D, in the weight's units; relative_rmse: ||D||_F / ||W||_F, 0 for a W of zeros that
    stayed; cosine_similarity: of W and W' as vectors, 1 where both are zero; clipped_fraction: share of the weights
    that were cut to a range before they were rounded.
    """

    mean_abs: float
    max_abs: float
    rmse: float
    relative_rmse: float
    cosine_similarity: float
    clipped_fraction: float


class VariantMeasurement(Record):
    """All that the weights of one variant of a model say.

    baseline_digest: model digest of what was edited, its own without an edit; drift: by module name, zero throughout
    without an edit; errors: by name of each module that a planned edit aimed at, empty for a harmless or no edit.
    """

    baseline_digest: str
    edit: EditIdentity
    weights: WeightMeasurement
    invariants: InvariantsSnapshot
    drift: Mapping[str, Drift]
    errors: Mapping[str, EditError]


class LossRecord(Record):
    """The losses of one variant on the windows of one schedule, in its order."""

    losses: tuple[WindowLoss, ...]


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
        return digest_of([digest, self.digest])


class ScaledLosses(Record):
    """The losses of one variant with ``scales`` on its branches, in the order of the windows asked for."""

    scales: VirtualScales
    losses: tuple[WindowLoss, ...]


class ScaledRecord(Record):
    """The losses of one variant under several scale sets."""

    sets: tuple[ScaledLosses, ...]


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

    absent: modules of the checkpoint that the loaded model does not have, such as a BERT's pooler.
    """

    contract: EstimatorContract
    sites: tuple[EdgeSite, ...]
    absent: tuple[str, ...]
    losses: tuple[WindowLoss, ...]
    windows: tuple[WindowEdges, ...] = Field(min_length=1)
