"""What tasks of one process share: the stores, the windows of a data set, and one live model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from threading import Lock
from typing import TypeVar

import torch

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.checkpoints.checkpoint import Checkpoint, open_checkpoint
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import WindowPool, build_pool
from invarlock.edits.benign_records import BenignEdit
from invarlock.edits.overlay import EditedCheckpoint
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.errors import DataError
from invarlock.home import home
from invarlock.measure.identity import ensure_unchanged
from invarlock.measure.models import LoadedModel, applied, load_model
from invarlock.measure.records import ModelIdentity, WeightMeasurement
from invarlock.measure.weights import ensure_measured
from invarlock.network import network_allowed
from invarlock.record import Record
from invarlock.store.documents import DocumentStore, Reference, read_document
from invarlock.store.measurement_store import MeasurementStore

R = TypeVar("R", bound=Record)
_LIVE = Lock()  # an edit changes the one model in memory: nobody else may run it meanwhile


@cache
def measurements() -> MeasurementStore:
    """The measurement store of this home."""
    return MeasurementStore(home() / "measurements")


@cache
def documents() -> DocumentStore:
    """The document store of this home."""
    return DocumentStore(home() / "documents")


@cache
def _texts() -> MeasurementStore:
    # Apart from the measurements, which runs count.
    return MeasurementStore(home() / "texts")


_POOLS: dict[tuple[DatasetSpec, str, str], WindowPool] = {}


def read_pool(dataset: DatasetSpec, root: str, *, allow_network: bool) -> WindowPool:
    """The windows of ``dataset`` as it is now; root: of a model with their tokenizer.

    They stay in memory for :func:`known_pool`: making them takes seconds.
    """
    pool = build_pool(dataset, load_tokenizer(root), allow_network=allow_network, kept=_texts())
    _POOLS[dataset, pool.dataset_hash, pool.tokenizer_hash] = pool
    return pool


def known_pool(dataset: DatasetSpec, root: str, dataset_hash: str, tokenizer_hash: str) -> WindowPool:
    """The windows of ``dataset`` that were drawn from; root: as above.

    DataError when text or tokenizer are others now.
    """
    if (known := _POOLS.get((dataset, dataset_hash, tokenizer_hash))) is not None:
        return known
    pool = read_pool(dataset, root, allow_network=network_allowed())
    if (pool.dataset_hash, pool.tokenizer_hash) != (dataset_hash, tokenizer_hash):
        raise DataError(
            "the text or the tokenizer changed since the windows were drawn",
            where=f"dataset: provider {pool.provider}",
            fix="leave the files alone during a sweep, and run it again",
        )
    return pool


def checkpoint(root: str) -> Checkpoint:
    """The checkpoint in ``root``, opened. Its flags were checked when the model was first opened."""
    return open_checkpoint(root, allow_pickle=True)


@contextmanager
def live_variant(
    model: ModelIdentity,
    edit: BenignEdit | PlannedEdit | None,
    weights: WeightMeasurement,
    arithmetic: Arithmetic,
) -> Iterator[LoadedModel]:
    """``model`` in memory, ``edit`` applied inside the block; weights: of the variant, as they were measured."""
    with _LIVE:
        loaded = _live_model(model, arithmetic)
        tensors = _edited_tensors(model, edit, weights) if edit else {}
        with applied(loaded, tensors, variant_digest=model.behaviour(weights.model_digest)) as variant:
            yield variant


@lru_cache(maxsize=1)  # the runs of one variant come one after another, and an edit can take long
def _edited_tensors(
    model: ModelIdentity, edit: BenignEdit | PlannedEdit, weights: WeightMeasurement
) -> Mapping[str, torch.Tensor]:
    base = checkpoint(model.root)
    source = EditedCheckpoint(base, edit)
    tensors = {name: source.read(name) for name in edit.tensors}
    ensure_measured(base, tensors, weights)
    return tensors


@lru_cache(maxsize=1)
def _live_model(model: ModelIdentity, arithmetic: Arithmetic) -> LoadedModel:
    loaded = load_model(
        checkpoint(model.root),
        model_digest=model.behaviour(model.digest),
        dtype=arithmetic.dtype.value,
        device=arithmetic.device,
    )
    ensure_unchanged(model)  # what was loaded is what was identified
    return loaded


@lru_cache(maxsize=512)
def read_record(reference: Reference, kind: type[R]) -> R:
    """The record behind a reference, checked against its hash and its schema."""
    return kind.model_validate_json(read_document(reference))
