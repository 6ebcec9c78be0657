"""What would have transformers load other weights, or another config, than those that a checkpoint is read by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import JsonValue

from invarlock.errors import ModelError

_ADAPTER = "adapter_config.json"
_DISTRIBUTED = re.compile(r"shard-\d{5}-model-\d{5}-of-\d{5}\.safetensors")
_KEYS = {
    "transformers_weights": (
        "names a file that would be loaded in place of model.safetensors",
        "rename that file to model.safetensors, and remove the key",
    ),
    "configuration_files": (
        "names configs that would be read in place of this one",
        "rename the config for this version of transformers to config.json",
    ),
    "attribute_map": ("gives the config's fields other names", "remove the key"),
    "quantization_config": (
        "has the stored weights converted into others when they are loaded",
        "dequantise the model, and save it without the key",
    ),
    "fusion_config": ("has modules replaced when the model is built", "remove the key"),
}
_IMPLEMENTATIONS = {"attn_implementation", "_attn_implementation", "experts_implementation"}


def refuse_other_files(root: Path) -> None:
    """Raise ModelError for a file in ``root`` that transformers loads on top of, or in place of, the weights."""
    if (root / _ADAPTER).is_file():
        raise ModelError(
            f"{_ADAPTER} would have an adapter laid over the model, and it is not measured",
            where=root / _ADAPTER,
            fix="merge the adapter into the model and save that, or remove the file",
        )
    shard = next((path for path in sorted(root.iterdir()) if _DISTRIBUTED.match(path.name)), None)
    if shard is not None:
        raise ModelError(
            f"{shard.name}, of a distributed checkpoint, would be loaded in place of model.safetensors",
            where=shard,
            fix="load the model and save it again with save_pretrained into a folder of its own",
        )


def refuse_other_keys(config: Mapping[str, JsonValue], where: Path) -> None:
    """Raise ModelError for a key of ``config``, or of a config inside it, that has other weights run. ``where``: its
    file. A null is as good as no key.
    """
    for path, key, value in _fields(config):
        if key in _KEYS and value is not None:
            why, fix = _KEYS[key]
            raise ModelError(f"{path} {why}", where=f"{where}: {path}", fix=fix)
        if key in _IMPLEMENTATIONS and "/" in str(value):
            raise ModelError(
                f"{path} names code on the hub, which would be fetched and run",
                where=f"{where}: {path}",
                fix="remove the key, or set it to eager or sdpa",
            )


def _fields(config: Mapping[str, JsonValue], parent: str = "") -> Iterator[tuple[str, str, JsonValue]]:
    for key, value in config.items():
        yield f"{parent}{key}", key, value
        if isinstance(value, dict):
            yield from _fields(value, f"{parent}{key}.")
