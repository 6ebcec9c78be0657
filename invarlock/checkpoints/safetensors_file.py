"""Reading safetensors without a model and without mapping the file into memory.

The format (huggingface/safetensors, README "Format"): eight bytes of little-endian header length, a JSON
header {name: {dtype, shape, data_offsets}}, then the tensors' bytes with no gap. So a file that was cut
short, or whose header was damaged, is caught from the header and the file's size alone. A flipped bit
*inside* a tensor's bytes cannot be: the file is as valid as before, only the tensor's digest differs (or it
reads as NaN).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from invarlock.errors import ModelError

DTYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
DTYPE_NAMES: dict[torch.dtype, str] = {dtype: name for name, dtype in DTYPES.items()}
_LONGEST_HEADER = 100_000_000  # bytes; the format's own limit


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a checkpoint, unread.

    dtype: as safetensors spells it (``F32``); file: the shard that holds it; offset: of its first byte in
    that file, None when the file is a pickle.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int | None

    @property
    def nbytes(self) -> int:
        """Size of the tensor's bytes."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


def read_header(path: Path) -> tuple[TensorEntry, ...]:
    """The tensors that ``path`` holds, in the order of their bytes.

    Raises
    ------
    ModelError: the file is cut short, its header is damaged, or a dtype is not one that torch can hold.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise _damaged(path, f"its header says {length} bytes, the file has {size}")
        header = _parsed(path, file.read(length))
    start = 8 + length
    entries = sorted(_entries(path, header, start), key=lambda entry: (entry.offset or 0, entry.nbytes))
    end = start
    for entry in entries:
        if entry.offset != end:
            raise _damaged(path, f"tensor {entry.name} does not start where the one before it ends")
        end += entry.nbytes
    if end != size:
        raise _damaged(path, f"its tensors end at byte {end}, the file has {size}")
    return tuple(entries)


def read_tensor(entry: TensorEntry) -> torch.Tensor:
    """The tensor of ``entry`` on the CPU, in its stored dtype, in memory of its own.

    Plain reads, not a memory map: mapped pages count into the process's resident memory until the kernel
    takes them back, which makes a streaming pass look as big as the checkpoint.
    """
    buffer = torch.empty(entry.nbytes, dtype=torch.uint8)
    with entry.file.open("rb") as file:
        file.seek(entry.offset or 0)
        if file.readinto(buffer.numpy().data) != entry.nbytes:
            raise _damaged(entry.file, f"it ends inside tensor {entry.name}")
    return buffer.view(DTYPES[entry.dtype]).reshape(entry.shape)


def _parsed(path: Path, data: bytes) -> dict[str, object]:
    try:
        header = json.loads(data)
    except ValueError as error:  # covers bad JSON and bad UTF-8
        raise _damaged(path, "its header is not JSON") from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is not a mapping of tensors")
    header.pop("__metadata__", None)
    return header


def _entries(path: Path, header: dict[str, object], start: int) -> Iterable[TensorEntry]:
    for name, fields in header.items():
        match fields:
            case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
                pass
            case _:
                raise _damaged(path, f"the header entry of tensor {name} is malformed")
        if dtype not in DTYPES:
            raise ModelError(
                f"tensor {name} has dtype {dtype}, which cannot be read",
                where=path,
                fix=f"store it as one of {', '.join(DTYPES)}",
            )
        if not all(isinstance(side, int) and side >= 0 for side in shape):
            raise _damaged(path, f"tensor {name} has shape {shape}")
        entry = TensorEntry(name, dtype, tuple(shape), path, start + begin)
        if end - begin != entry.nbytes:
            raise _damaged(path, f"tensor {name} has {end - begin} bytes, its shape needs {entry.nbytes}")
        yield entry


def _damaged(path: Path, how: str) -> ModelError:
    return ModelError(
        f"a damaged or truncated safetensors file: {how}",
        where=path,
        fix="download or save the checkpoint again",
    )
