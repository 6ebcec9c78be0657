"""That a live model holds the numbers of its checkpoint: every tensor that runs is compared with what was stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from invarlock.checkpoints.checkpoint import Checkpoint
from invarlock.checkpoints.parameters import parameter_name
from invarlock.checkpoints.safetensors_file import TensorEntry
from invarlock.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_BLOCK = re.compile(r"^.*?\.\d+\.")
_Tensors = Mapping[str, torch.Tensor]
_Entries = Mapping[str, Sequence[TensorEntry]]


def ensure_loaded_as_stored(checkpoint: Checkpoint, module: PreTrainedModel) -> None:
    """Refuse a live ``module`` whose parameters and saved buffers are not those of ``checkpoint``, as their own dtype.

    The file is read again, one tensor at a time. What transformers stores in another layout, such as fused experts,
    is brought back into that of the file, one block at a time.

    Raises
    ------
    ModelError: naming a tensor that differs, a second copy of a tied one among them, or one that no tensor of the
        file became.
    """
    stored = _by_live_name(checkpoint)
    live: _Tensors = module.state_dict(keep_vars=True)  # so that tied names have one identity
    proved = {id(live[name]) for name in _compared(checkpoint, stored, live)}
    left = [
        name for name, tensor in live.items() if id(tensor) not in proved and not _may_be_absent(module, name)
    ]
    for block in _by_block(left):
        as_stored = _reverted(module, {name: live[name].detach() for name in block})
        unknown = sorted(as_stored.keys() - set(_compared(checkpoint, stored, as_stored)))
        if unknown:
            raise ModelError(
                f"the checkpoint has none of what would run as {', '.join(unknown[:5])}",
                where=checkpoint.root,
                fix="load the model and save it again with save_pretrained into a folder of its own",
            )


def _by_live_name(checkpoint: Checkpoint) -> _Entries:
    """What is stored, by the names that it can have in the live model: several are saved copies of one."""
    stored: dict[str, list[TensorEntry]] = {}
    for entry in checkpoint.entries:
        for name in {entry.name, parameter_name(entry.name, checkpoint.model_type)}:
            stored.setdefault(name, []).append(entry)
    return stored


def _compared(checkpoint: Checkpoint, stored: _Entries, live: _Tensors) -> Iterator[str]:
    """The names in ``live`` of what is stored in the same layout, once it is found to be the same."""
    for name, tensor in live.items():
        entries = [entry for entry in stored.get(name, ()) if entry.shape == tensor.shape]
        for entry in entries:
            if not _same(checkpoint.read(entry.name).to(tensor), tensor.detach()):
                raise ModelError(
                    f"{entry.name} is stored with other numbers than those that were loaded, and would not run",
                    where=checkpoint.root,
                    fix="keep one set of weights in the folder; if another tensor is tied to it, set "
                    "tie_word_embeddings to false in config.json or save it without that tensor",
                )
        if entries:
            yield name


def _reverted(module: PreTrainedModel, block: _Tensors) -> _Tensors:
    from transformers.core_model_loading import revert_weight_conversion  # late: takes seconds

    return dict(revert_weight_conversion(module, dict(block)))


def _same(stored: torch.Tensor, live: torch.Tensor) -> bool:
    if torch.equal(stored, live):
        return True
    # What is not a number is found, and named, by those who measure.
    return live.is_floating_point() and torch.allclose(stored, live, rtol=0, atol=0, equal_nan=True)


def _may_be_absent(module: PreTrainedModel, name: str) -> bool:
    """Whether the architecture computes it, such as a table of sines, where the checkpoint leaves it out."""
    return any(re.search(pattern, name) for pattern in module._keys_to_ignore_on_load_missing or ())


def _by_block(names: Iterable[str]) -> Iterable[list[str]]:
    blocks: dict[str, list[str]] = {}
    for name in names:
        block = _BLOCK.match(name)
        blocks.setdefault(block[0] if block else "", []).append(name)
    return blocks.values()
