"""The catalog of policy keys, read off the schema: what each key does, who sets it, what relaxes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import get_args, get_origin

from pydantic import JsonValue

from invarlock.policy.built_in import BUILT_IN
from invarlock.policy.keys import Key, Section
from invarlock.policy.schema import Tier, TierPolicy
from invarlock.policy.tiers_file import FILE_KEYS, file_key

_ANY = "*"


@dataclass(frozen=True)
class Entry:
    """One key. ``path`` is that of ``resolved_policy`` in reports; ``*`` stands for a family or a head."""

    path: str
    key: Key
    controls: str
    evidence: tuple[str, ...]

    @property
    def file_key(self) -> str:
        """The key as tiers.yaml spells it, below the tier."""
        return file_key(self.path)

    def built_in(self, tier: Tier) -> JsonValue:
        """The value that ``tier`` starts from, None for none; of a key per family, the mapping of all of them."""
        value: JsonValue = BUILT_IN[tier].model_dump(mode="json")
        for name in self.path.split("."):
            if name == _ANY or not isinstance(value, dict):
                return value
            value = value.get(name)
        return value

    def as_json(self) -> dict[str, JsonValue]:
        """What ``invarlock policy keys --json`` prints of it."""
        return {
            "key": self.file_key,
            "path": f"resolved_policy.{self.path}",
            "controls": self.controls,
            "kind": self.key.kind.value,
            "sweep": self.key.sweep,
            "relaxes": relaxing(self.key),
            "seen": list(self.evidence),
            "built_in": {tier.value: self.built_in(tier) for tier in Tier},
        }


def relaxing(key: Key) -> str:
    """In words, the change that relaxes ``key``."""
    if not key.choices:
        return key.relaxes.value
    strictest_first = [
        str(choice).lower() if isinstance(choice, bool) else str(choice) for choice in key.choices
    ]
    return " → ".join(strictest_first if len(strictest_first) > 1 else [*strictest_first, "any other"])


@cache
def catalog() -> Mapping[str, Entry]:
    """Every policy key by its path, in the order of the schema."""
    return MappingProxyType({entry.path: entry for entry in _entries(TierPolicy, "")})


def entry_of(path: str) -> Entry:
    """The entry of a leaf such as ``spectral.family_caps.ffn``. Raises KeyError for what is no key."""
    names = path.split(".")
    for entry in catalog().values():
        parts = entry.path.split(".")
        if len(parts) == len(names) and all(
            part in (_ANY, name) for part, name in zip(parts, names, strict=True)
        ):
            return entry
    raise KeyError(path)


def entry_in_file(key: str) -> Entry:
    """The entry of a leaf in the file's spelling, ``spectral_guard.family_caps.ffn``. Raises KeyError."""
    section, _, rest = key.partition(".")
    path = next((path for path, name in FILE_KEYS.items() if name == section), section)
    return entry_of(f"{path}.{rest}")


def _entries(section: type[Section], prefix: str) -> Iterator[Entry]:
    for name, field in section.model_fields.items():
        kind, path = _of_mapping(field.annotation), prefix + name
        if kind is not None:
            path += f".{_ANY}"
        inner = kind or field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from _entries(inner, f"{path}.")
        else:
            key = next(found for found in field.metadata if isinstance(found, Key))
            yield Entry(path, key, field.description or "", section.evidence)


def _of_mapping(annotation: object) -> object | None:
    """``V`` of ``Mapping[K, V]`` or ``Mapping[K, V] | None``; None for anything else."""
    mappings = (arm for arm in (annotation, *get_args(annotation)) if get_origin(arm) is Mapping)
    return next((get_args(mapping)[1] for mapping in mappings), None)
