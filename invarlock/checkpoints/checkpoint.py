"""Checkpoints, opened without building the model: the config and the headers, then one tensor at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from pydantic import JsonValue

from invarlock.checkpoints.hub import find_folder
from invarlock.checkpoints.other_weights import refuse_other_files, refuse_other_keys
from invarlock.checkpoints.pickle_file import read_pickle_header, read_pickled_tensor
from invarlock.checkpoints.safetensors_file import TensorEntry, read_header, read_tensor
from invarlock.errors import ModelError

_SAFETENSORS = "model.safetensors"
_PICKLE = "pytorch_model.bin"
_Config = Mapping[str, JsonValue]
_ReadHeader = Callable[[Path], tuple[TensorEntry, ...]]


class TensorSource(Protocol):
    """What can be measured: a checkpoint, or an edit laid over one."""

    @property
    def root(self) -> Path:
        """The folder of the config and the tokenizer."""

    @property
    def config(self) -> _Config:
        """The parsed ``config.json``."""

    @property
    def model_type(self) -> str:
        """The transformers ``model_type``, such as ``gpt2``."""

    @property
    def entries(self) -> tuple[TensorEntry, ...]:
        """Every tensor, sorted by name."""

    def read(self, name: str) -> torch.Tensor:
        """One tensor on the CPU in its stored dtype, in memory that the caller may overwrite."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder. Nothing but headers has been read.

    entries: every tensor, sorted by name.
    """

    root: Path
    config: _Config
    model_type: str
    entries: tuple[TensorEntry, ...]
    _by_name: Mapping[str, TensorEntry] = field(repr=False, compare=False)

    def read(self, name: str) -> torch.Tensor:
        """One tensor on the CPU in its stored dtype, in memory of its own. KeyError for an unknown name."""
        entry = self._by_name[name]
        return read_pickled_tensor(entry) if entry.offset is None else read_tensor(entry)

    @property
    def pickled(self) -> bool:
        """Whether the tensors come out of a pickle."""
        return any(entry.offset is None for entry in self.entries)


def open_checkpoint(reference: str, *, allow_pickle: bool = False, allow_network: bool = False) -> Checkpoint:
    """Open a folder, ``bundled:NAME``, or a hub id (cached, or fetched when the network is allowed).

    Safetensors only, unless ``allow_pickle``; where both are there, safetensors are read.

    Raises
    ------
    ModelError: no such folder or hub model, no usable ``config.json``, no weights, only pickled ones while
        ``allow_pickle`` is off, a truncated or damaged file, a shard that is missing, lacks its tensors or holds
        others (transformers would load them), a file or a key of the config by which transformers loads other weights.
        A bit flipped inside a tensor's bytes shows only in the model's digest, or as a NaN.
    """
    root = find_folder(reference, allow_pickle=allow_pickle, allow_network=allow_network)
    refuse_other_files(root)
    config = _read_object(root / "config.json", "the model's config")
    refuse_other_keys(config, root / "config.json")
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise ModelError(
            f"model_type is {model_type!r}, not a name", where=root / "config.json: model_type", fix="set it"
        )
    entries = tuple(sorted(_find_tensors(root, allow_pickle), key=lambda entry: entry.name))
    if not entries:
        raise ModelError("a checkpoint without tensors", where=root, fix="save the model again")
    return Checkpoint(root, config, model_type, entries, {entry.name: entry for entry in entries})


def _find_tensors(root: Path, allow_pickle: bool) -> tuple[TensorEntry, ...]:
    found = _tensors_of(root, _SAFETENSORS, read_header)
    if found is not None:
        return found
    pickled = [path.name for path in sorted(root.glob("*.bin"))]
    if pickled and not allow_pickle:
        raise ModelError(
            f"only a pickled checkpoint is here ({', '.join(pickled)}), and unpickling can run code",
            where=root,
            fix="save it as safetensors, or pass --allow-pickle if you trust where it came from",
        )
    found = _tensors_of(root, _PICKLE, read_pickle_header)
    if found is None:
        raise ModelError(
            f"no weights: neither {_SAFETENSORS} nor {_SAFETENSORS}.index.json",
            where=root,
            fix="save the model with save_pretrained, or name the folder that holds its weights",
        )
    return found


def _tensors_of(root: Path, name: str, read: _ReadHeader) -> tuple[TensorEntry, ...] | None:
    """Tensors of the single file ``name``, or of the shards in its index; None when neither is there."""
    if (root / name).is_file():
        return read(root / name)
    index = root / f"{name}.index.json"
    return _sharded(index, read) if index.is_file() else None


def _sharded(index: Path, read: _ReadHeader) -> tuple[TensorEntry, ...]:
    weight_map = _read_object(index, "the index of the shards").get("weight_map")
    if not isinstance(weight_map, dict):
        raise ModelError("the index has no weight_map", where=index, fix="download or save the model again")
    found: dict[tuple[str, str], TensorEntry] = {}
    for shard in sorted({str(shard) for shard in weight_map.values()}):
        path = index.parent / shard
        if path.parent != index.parent or not path.is_file():
            raise ModelError(
                f"shard {shard} is missing", where=index, fix="download or save the checkpoint again"
            )
        found |= {(entry.name, shard): entry for entry in read(path)}
    placed = [(name, str(shard)) for name, shard in weight_map.items()]
    for name, shard in placed:
        if (name, shard) not in found:
            raise ModelError(
                f"the index puts tensor {name} into {shard}, which lacks it",
                where=index,
                fix="download or save the checkpoint again",
            )
    unplaced = sorted(found.keys() - set(placed))
    if unplaced:  # transformers loads whole shards: such a tensor would run, and go unmeasured
        name, shard = unplaced[0]
        raise ModelError(
            f"{shard} holds tensor {name}, which the index does not place there",
            where=index,
            fix="load the model and save it again with save_pretrained",
        )
    return tuple(found[place] for place in placed)


def _read_object(path: Path, what: str) -> dict[str, JsonValue]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(
            f"{what} is missing", where=path, fix="name a folder written by save_pretrained"
        ) from error
    except ValueError as error:  # covers bad JSON and bad UTF-8
        raise ModelError(
            f"{what} is not JSON: {error}", where=path, fix="download or save it again"
        ) from error
    if not isinstance(value, dict):
        raise ModelError(f"{what} is not a mapping", where=path, fix="download or save it again")
    return value
