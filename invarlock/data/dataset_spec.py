"""The ``dataset:`` block of a config: which texts, which side of them, and how long a window is."""

from __future__ import annotations

from enum import StrEnum
from typing import Self, get_args

from pydantic import Field, field_validator, model_validator

from invarlock.data.documents import Split
from invarlock.record import Record


class Provider(StrEnum):
    """Where texts come from; ``invarlock.data.providers`` reads each."""

    PYTHON_DOCS = "python_docs"
    LOCAL_TEXT = "local_text"
    LOCAL_JSONL = "local_jsonl"
    LOCAL_JSONL_PAIRS = "local_jsonl_pairs"
    WIKITEXT2 = "wikitext2"
    HF_TEXT = "hf_text"
    SYNTHETIC = "synthetic"


_FILES = frozenset({Provider.LOCAL_TEXT, Provider.LOCAL_JSONL, Provider.LOCAL_JSONL_PAIRS})
_HUB = frozenset({Provider.WIKITEXT2, Provider.HF_TEXT})
# Keys that only some providers read: setting one elsewhere is a mistake, not a wish to be ignored.
_READERS = {
    "paths": _FILES,
    "text_field": frozenset({Provider.LOCAL_JSONL, Provider.HF_TEXT}),
    "source_field": frozenset({Provider.LOCAL_JSONL_PAIRS}),
    "target_field": frozenset({Provider.LOCAL_JSONL_PAIRS}),
    "name": frozenset({Provider.HF_TEXT}),
    "config": frozenset({Provider.HF_TEXT}),
    "seed": frozenset({Provider.SYNTHETIC}),
}
_REQUIRED = {"paths": _FILES, "name": frozenset({Provider.HF_TEXT})}


class DatasetSpec(Record):
    """Texts and window length of an evaluation. Fields that a provider does not read must stay unset."""

    provider: Provider
    seq_len: int = Field(ge=2, description="Tokens in a window; for pairs the cut of source and target")
    split: str | None = Field(
        None, description="held_out, train or all; a hub split for hub data; null = the provider's default"
    )
    paths: tuple[str, ...] | None = Field(None, description="Files or folders, one or a list")
    text_field: str | None = Field(None, description="Field of the text, default text")
    source_field: str | None = Field(None, description="Field of the source, default source")
    target_field: str | None = Field(None, description="Field of the target, default target")
    name: str | None = Field(None, description="Hub id of the data set")
    config: str | None = Field(None, description="Configuration of the hub data set")
    seed: int | None = Field(None, ge=0, description="Seed of synthetic text, default 0")

    @field_validator("paths", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        if isinstance(value, str):
            return (value,)
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _keys_fit_provider(self) -> Self:
        for key, providers in _READERS.items():
            if getattr(self, key) is not None and self.provider not in providers:
                raise ValueError(
                    f"{key} is not read by provider {self.provider.value}, only by "
                    f"{', '.join(sorted(providers))}; remove {key} or change provider"
                )
        for key, providers in _REQUIRED.items():
            if self.provider in providers and not getattr(self, key):
                raise ValueError(f"{key} is missing: provider {self.provider.value} needs it")
        if self.provider not in _HUB and self.split is not None and self.split not in get_args(Split):
            raise ValueError(
                f"split {self.split!r} is not known to provider {self.provider.value}; "
                f"use one of {', '.join(get_args(Split))}"
            )
        return self

    @property
    def chosen_split(self) -> str:
        """``split``, or the default: held_out of python_docs, validation of hub data, all of the rest."""
        if self.split is not None:
            return self.split
        if self.provider is Provider.PYTHON_DOCS:
            return "held_out"
        return "validation" if self.provider in _HUB else "all"
