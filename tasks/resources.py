"""What tasks of one process share: the stores, the windows of a data set, and one live model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from threading import Lock
from typing import TypeVar

from invarlock.calibration.null_plan import Arithmetic
from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import WindowPool, build_pool
from invarlock.edits.benign import BenignEdit
from invarlock.edits.noop import Noop
from invarlock.edits.overlay import EditedCheckpoint
from invarlock.home import home
from invarlock.measure.checkpoint import Checkpoint, open_checkpoint
from invarlock.measure.models import LoadedModel, applied, load_model
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


@lru_cache(maxsize=8)
def window_pool(dataset: DatasetSpec, root: str) -> WindowPool:
    """Every window of ``dataset`` as the tokenizer in ``root`` cuts it."""
    return build_pool(dataset, load_tokenizer(root), allow_network=network_allowed())


@lru_cache(maxsize=8)
def checkpoint(root: str) -> Checkpoint:
    """The checkpoint in ``root``, opened. Its flags were checked when the model was first opened."""
    return open_checkpoint(root, allow_pickle=True)


@contextmanager
def live_variant(
    root: str, digest: str, edit: BenignEdit | None, edited_digest: str, arithmetic: Arithmetic
) -> Iterator[LoadedModel]:
    """The model in ``root`` (digest ``digest``) in memory, ``edit`` applied inside the block.

    edited_digest: of the weights that then run; ``digest`` itself without an edit.
    """
    with _LIVE:
        model = _live_model(root, digest, arithmetic.dtype.value, arithmetic.device)
        source = EditedCheckpoint(checkpoint(root), edit or Noop())
        tensors = {name: source.read(name) for name in (edit.tensors if edit else ())}
        with applied(model, tensors, variant_digest=edited_digest) as variant:
            yield variant


@lru_cache(maxsize=1)
def _live_model(root: str, digest: str, dtype: str, device: str) -> LoadedModel:
    return load_model(checkpoint(root), model_digest=digest, dtype=dtype, device=device)


@lru_cache(maxsize=512)
def read_record(reference: Reference, kind: type[R]) -> R:
    """The record behind a reference, checked against its hash and its schema."""
    return kind.model_validate_json(read_document(reference))
