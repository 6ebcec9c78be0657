"""The providers by name: from a dataset block to documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import cast

from invarlock.data.dataset_spec import DatasetSpec, Provider
from invarlock.data.documents import Document, Split, select_split
from invarlock.data.hub_text import read_hf_text, read_wikitext2
from invarlock.data.local_files import read_local_jsonl, read_local_jsonl_pairs, read_local_text
from invarlock.data.python_docs import read_python_docs
from invarlock.data.synthetic import read_synthetic
from invarlock.errors import DataError
from invarlock.store.measurement_store import MeasurementStore

_LOCAL: Mapping[Provider, Callable[[DatasetSpec, MeasurementStore | None], Iterable[Document]]] = {
    Provider.PYTHON_DOCS: lambda spec, kept: read_python_docs(kept),
    Provider.LOCAL_TEXT: lambda spec, kept: read_local_text(spec.paths or ()),
    Provider.LOCAL_JSONL: lambda spec, kept: read_local_jsonl(spec.paths or (), spec.text_field or "text"),
    Provider.LOCAL_JSONL_PAIRS: lambda spec, kept: read_local_jsonl_pairs(
        spec.paths or (), spec.source_field or "source", spec.target_field or "target"
    ),
    Provider.SYNTHETIC: lambda spec, kept: read_synthetic(spec.seed or 0),
}


def load_texts(
    spec: DatasetSpec, *, allow_network: bool = False, kept: MeasurementStore | None = None
) -> tuple[Document, ...]:
    """The documents that ``spec`` names, blank ones left out, in a fixed order; kept: see :func:`read_python_docs`.

    Hub providers bring splits of their own; the others are split by the hash of each document's id.
    Raises DataError when they cannot be read or none is left.
    """
    if spec.provider is Provider.WIKITEXT2:
        found = read_wikitext2(spec.chosen_split, allow_network=allow_network)
    elif spec.provider is Provider.HF_TEXT:
        found = read_hf_text(
            spec.name or "",
            spec.config,
            spec.chosen_split,
            spec.text_field or "text",
            allow_network=allow_network,
        )
    else:
        found = iter(select_split(_LOCAL[spec.provider](spec, kept), cast(Split, spec.chosen_split)))
    documents = tuple(document for document in found if document.text.strip())
    if not documents:
        raise DataError(
            "no text",
            where=f"dataset: provider {spec.provider.value}, split {spec.chosen_split}",
            fix="name more text, or another split",
        )
    return documents
