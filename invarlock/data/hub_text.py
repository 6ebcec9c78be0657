"""``wikitext2`` and ``hf_text``: text from the Hugging Face hub, or from its local cache."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from invarlock.data.documents import Document
from invarlock.errors import DataError
from invarlock.network import apply_network_switch, network_allowed

WIKITEXT = "Salesforce/wikitext"
WIKITEXT2 = "wikitext-2-raw-v1"

_ARTICLE = re.compile(r" = [^=].* = \n?")  # sections have more signs: " = = History = = "


def read_wikitext2(split: str, *, allow_network: bool) -> Iterator[Document]:
    """One document an article of WikiText-2 (raw)."""
    rows = read_rows(WIKITEXT, WIKITEXT2, split, "text", allow_network=allow_network)
    for number, article in enumerate(join_articles(rows)):
        yield Document(f"{split}/{number}", article)


def read_hf_text(
    name: str, config: str | None, split: str, text_field: str, *, allow_network: bool
) -> Iterator[Document]:
    """One document a row."""
    rows = read_rows(name, config, split, text_field, allow_network=allow_network)
    for number, text in enumerate(rows):
        yield Document(f"{split}/{number}", text)


def join_articles(rows: Iterable[str]) -> Iterator[str]:
    """WikiText's lines put together again, a new article at each top heading."""
    article: list[str] = []
    for row in rows:
        if _ARTICLE.fullmatch(row) and article:
            yield "".join(article)
            article = []
        article.append(row)
    yield "".join(article)


def read_rows(
    name: str, config: str | None, split: str, text_field: str, *, allow_network: bool
) -> list[str]:
    """The column ``text_field``.

    Raises
    ------
    DataError: the datasets package is absent; the data are not cached and the network is off, or they cannot
        be fetched; no such split or field.
    """
    apply_network_switch(allow_network)
    try:
        from datasets import load_dataset  # optional, and it reads the switch when imported
    except ModuleNotFoundError as error:
        raise DataError(
            "hub data need the package datasets, which is not installed",
            where=f"dataset.provider ({name})",
            fix="pip install 'invarlock-calibration[datasets]', or use provider: python_docs or local_text",
        ) from error
    where = f"dataset: {name}" + (f", config {config}" if config else "") + f", split {split}"
    try:
        rows = load_dataset(name, config, split=split)
    except (
        OSError,
        ValueError,
    ) as error:  # every failure of load_dataset: ConnectionError, FileNotFoundError...
        offline = "; what is not in the local cache needs INVARLOCK_ALLOW_NETWORK=1 or --allow-network"
        raise DataError(
            f"cannot be loaded: {str(error).strip().partition(chr(10))[0]}",
            where=where,
            fix="check name, config and split" + ("" if network_allowed(allow_network) else offline),
        ) from error
    column = list(rows[text_field]) if text_field in rows.column_names else [None]
    texts = [text for text in column if isinstance(text, str)]
    if len(texts) < len(column):
        raise DataError(
            f"no text in field {text_field!r}",
            where=where,
            fix=f"set dataset.text_field to a field of text (there are {', '.join(rows.column_names)})",
        )
    return texts
