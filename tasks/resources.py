"""What tasks of one process share: the stores, the windows of a data set, and one live model."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TypeVar

from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.windows import WindowPool, build_pool
from invarlock.data.tokenizer import load_tokenizer
from invarlock.home import home
from invarlock.network import network_allowed
from invarlock.record import Record
from invarlock.store.documents import DocumentStore, Reference, read_document
from invarlock.store.measurement_store import MeasurementStore

R = TypeVar("R", bound=Record)


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


@lru_cache(maxsize=512)
def read_record(reference: Reference, kind: type[R]) -> R:
    """The record behind a reference, checked against its hash and its schema."""
    return kind.model_validate_json(read_document(reference))
