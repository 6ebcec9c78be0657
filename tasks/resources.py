"""What tasks of one process share: the stores, the windows of a data set, and one live model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from threading import Lock
from typing import TypeVar

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.checkpoints.checkpoint import Checkpoint, open_checkpoint
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import WindowPool, build_pool
from invarlock.edits.benign_records import BenignEdit
from invarlock.edits.noop import Noop
from invarlock.edits.overlay import EditedCheckpoint
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.errors import DataError
from invarlock.home import home
from invarlock.measure.identity import ensure_unchanged
from invarlock.measure.models import LoadedModel, applied, load_model
from invarlock.measure.records import ModelIdentity
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


@lru_cache(maxsize=4)
def known_pool(dataset: DatasetSpec, root: str, dataset_hash: str, tokenizer_hash: str) -> WindowPool:
    """The windows of ``dataset`` that were drawn from. DataError when text or tokenizer are others now."""
    pool = build_pool(dataset, load_tokenizer(root), allow_network=network_allowed())
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
    model: ModelIdentity, edit: BenignEdit | PlannedEdit | None, weights_digest: str, arithmetic: Arithmetic
) -> Iterator[LoadedModel]:
    """``model`` in memory, ``edit`` applied inside the block; weights_digest: of the weights that then run."""
    with _LIVE:
        loaded = _live_model(model, arithmetic)
        source = EditedCheckpoint(checkpoint(model.root), edit or Noop())
        tensors = {name: source.read(name) for name in (edit.tensors if edit else ())}
        with applied(loaded, tensors, variant_digest=model.behaviour(weights_digest)) as variant:
            yield variant


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
