"""Reading ``pytorch_model.bin``, only where the user allowed it, and only tensors out of it.

``weights_only`` refuses every pickled object but tensors and plain containers.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import torch

from invarlock.checkpoints.safetensors_file import DTYPE_NAMES, TensorEntry
from invarlock.errors import ModelError


def read_pickle_header(path: Path) -> tuple[TensorEntry, ...]:
    """Names, dtypes and shapes of the tensors in ``path``. Raises ModelError when it holds anything else."""
    return tuple(
        TensorEntry(name, DTYPE_NAMES[tensor.dtype], tuple(tensor.shape), path, None)
        for name, tensor in _load(path).items()
    )


def read_pickled_tensor(entry: TensorEntry) -> torch.Tensor:
    """The tensor of ``entry`` in memory of its own."""
    return _load(entry.file)[entry.name].detach().clone(memory_format=torch.contiguous_format)


def _load(path: Path) -> dict[str, torch.Tensor]:
    # Files older than torch 1.6 are not zip archives and cannot be mapped: those are read whole.
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise _refused(path, str(error).strip().splitlines()[0]) from error
    if not isinstance(loaded, dict):
        raise _refused(path, f"it holds a {type(loaded).__name__}, not a mapping of tensors")
    for name, tensor in loaded.items():
        if not isinstance(tensor, torch.Tensor) or tensor.dtype not in DTYPE_NAMES:
            raise _refused(path, f"{name} is no tensor of a known dtype")
    return loaded


def _refused(path: Path, why: str) -> ModelError:
    return ModelError(
        f"a pickled checkpoint that cannot be read safely: {why}", where=path, fix="save it as safetensors"
    )
