"""What a measurement says: the records that measuring writes and deciding reads. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, JsonValue, ValidationInfo, field_validator

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

    parameter_shapes: name in the built model to shape; tied_groups: names that share one tensor, each group and the
    groups sorted; norm_layers: names of LayerNorm and RMSNorm modules; embedding_rows: rows of the input embedding;
    vocabulary_size: of the tokenizer, None when there is none; config_sha256: over the config fields that shape the
    graph, omissions filled in; nonfinite: names in the file of parameters and buffers with NaN or infinity.
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
