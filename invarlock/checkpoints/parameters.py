"""The parameters of a checkpoint, by the names that they have in the model with its head.

One model is saved under several names: a bare base model leaves its prefix out, files of 2018 say gamma and beta, old
ones carry masks and positions along, and a tied head is left out or saved twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.checkpoints.modules import module_path
from invarlock.checkpoints.safetensors_file import TensorEntry

_BUFFER = re.compile(
    r"(?:^|\.)(?:position_ids|token_type_ids|(?:attn|attention)\.(?:masked_)?bias|rotary_emb\.inv_freq)$"
)
_RENAMED = (
    (re.compile(r"LayerNorm\.gamma$"), "LayerNorm.weight"),
    (re.compile(r"LayerNorm\.beta$"), "LayerNorm.bias"),
    (re.compile(r"^embed_out\."), "lm_head."),
)


def parameters_of(source: TensorSource) -> Mapping[str, TensorEntry]:
    """Every parameter of ``source`` by name, from headers alone, a second copy of a tied one among them."""
    named = {parameter_name(entry.name, source.model_type): entry for entry in source.entries}
    return {name: entry for name, entry in named.items() if not _is_buffer(entry)}


def parameter_name(tensor: str, model_type: str) -> str:
    """The name of ``tensor`` in the model with its head."""
    path = module_path(tensor, model_type)
    name = f"{path}.weight" if tensor.endswith(".weight") else path
    for old, new in _RENAMED:
        name = old.sub(new, name)
    return name


def _is_buffer(entry: TensorEntry) -> bool:
    return _BUFFER.search(entry.name) is not None and len(entry.shape) != 1  # a real bias is a vector
