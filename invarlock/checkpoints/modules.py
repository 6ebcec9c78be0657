"""The matrices of a checkpoint and the family of each, from tensor names, shapes and the config alone.

In: every 2-D weight of a Linear, Conv1D or Embedding, and each expert of a fused 3-D parameter. Out: norms,
biases, 1-D tensors, convolutions, and the index and mask buffers that older checkpoints carry along. A tied
tensor is one module with aliases (design page 2).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import torch

from invarlock.checkpoints.architectures import ARCHITECTURES, GENERIC
from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.checkpoints.safetensors_file import TensorEntry
from invarlock.errors import ModelError
from invarlock.families import Family
from invarlock.record import Record

_FUSED_EXPERTS = re.compile(r"experts\.(gate_up_proj|gate_proj|up_proj|down_proj|w[123])(\.weight)?$")
_EXPERT_INDEX = re.compile(r"\.experts\.(\d+)\.")
_WITH_HEAD = re.compile(r"LMHead|CausalLM|MaskedLM|PreTraining|ConditionalGeneration")


class Module(Record):
    """One matrix of a model.

    name: module path, ``[i]`` after it for expert i of a fused tensor; tensor: the name in the checkpoint;
    rule: the rule that placed it; shape: rows, columns; transposed: whether they are (in, out), as Conv1D stores
    them; expert: its number, None outside experts; aliases: other modules that share the tensor.
    """

    name: str
    tensor: str
    family: Family
    rule: str
    shape: tuple[int, int]
    transposed: bool
    expert: int | None
    aliases: tuple[str, ...]

    def matrix_of(self, tensor: torch.Tensor) -> torch.Tensor:
        """The module's own matrix: the tensor itself, or its expert's slice of a fused one."""
        return tensor if tensor.dim() == 2 or self.expert is None else tensor[self.expert]


def modules_of(source: TensorSource) -> tuple[Module, ...]:
    """Every matrix of ``source``, sorted by tensor name, experts in order.

    Reads tensors only where the config ties an output head that the checkpoint saved as well: the two are one
    module if they are equal bit for bit.

    Raises
    ------
    ModelError: the checkpoint has no matrix at all.
    """
    aliases, merged = _ties(source)
    modules = tuple(
        module
        for entry in source.entries
        if entry.name not in merged
        for module in _modules_in(entry, source.model_type, aliases.get(entry.name, ()))
    )
    if not modules:
        raise ModelError(
            "no weight matrix among its tensors",
            where=source.model_type,
            fix="name a transformer's checkpoint",
        )
    return modules


def module_path(tensor: str, model_type: str) -> str:
    """The path of the module that owns ``tensor`` in the model with its head.

    Checkpoints of a bare base model, GPT-2's on the hub among them, leave the base prefix out.
    """
    path = tensor.removesuffix(".weight")
    architecture = ARCHITECTURES.get(model_type)
    if architecture is not None and path.split(".", 1)[0] in architecture.roots:
        return f"{architecture.prefix}.{path}"
    return path


def embedding_entry(source: TensorSource) -> TensorEntry | None:
    """The input embedding: by architecture, else the longest table that a rule calls an embedding."""
    architecture = ARCHITECTURES.get(source.model_type)
    if architecture is not None:
        return _entry_of(source, architecture.embedding)
    tables = [entry for entry in source.entries if _is_matrix(entry) and _embeds(entry, source.model_type)]
    return max(tables, key=lambda entry: entry.shape[0], default=None)


def tied_paths(source: TensorSource) -> tuple[str, ...]:
    """Modules that the config ties to the input embedding, in architectures that are known."""
    architecture = ARCHITECTURES.get(source.model_type)
    # A config that does not say ties: that is what transformers reads into the omission.
    if architecture is None or source.config.get("tie_word_embeddings", True) is False:
        return ()
    return architecture.tied


def place(path: str, model_type: str) -> tuple[Family, str]:
    """Family of the module at ``path`` and the rule that says so."""
    architecture = ARCHITECTURES.get(model_type)
    if architecture is not None:
        for pattern, family in architecture.rules:
            if _at_end(pattern).search(path):
                return family, f"{model_type}: {pattern}"
    for pattern, family in GENERIC:
        if _at_end(pattern).search(path):
            return family, f"generic: {pattern}"
    return Family.OTHER, "no rule"


def _is_transposed(path: str, model_type: str) -> bool:
    architecture = ARCHITECTURES.get(model_type)
    pattern = architecture.conv1d if architecture is not None else None
    return pattern is not None and _at_end(pattern).search(path) is not None


@functools.cache
def _at_end(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|\.)(?:{pattern})$")


def _modules_in(entry: TensorEntry, model_type: str, aliases: tuple[str, ...]) -> Iterator[Module]:
    path = module_path(entry.name, model_type)
    family, rule = place(path, model_type)
    transposed = _is_transposed(path, model_type)
    if _is_matrix(entry):
        split = _EXPERT_INDEX.search(path)
        yield Module(
            name=path,
            tensor=entry.name,
            family=family,
            rule=rule,
            shape=(entry.shape[0], entry.shape[1]),
            transposed=transposed,
            expert=int(split[1]) if split else None,
            aliases=aliases,
        )
    elif len(entry.shape) == 3 and _FUSED_EXPERTS.search(entry.name):
        for expert in range(entry.shape[0]):
            yield Module(
                name=f"{path}[{expert}]",
                tensor=entry.name,
                family=family,
                rule=rule,
                shape=(entry.shape[1], entry.shape[2]),
                transposed=transposed,
                expert=expert,
                aliases=(),
            )


def _is_matrix(entry: TensorEntry) -> bool:
    return len(entry.shape) == 2 and entry.name.endswith("weight") and min(entry.shape) > 0


def _embeds(entry: TensorEntry, model_type: str) -> bool:
    return place(module_path(entry.name, model_type), model_type)[0] is Family.EMBED


def _ties(source: TensorSource) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    """Aliases by tensor name, and the names of tensors that are copies of the one they are tied to."""
    tied, embedding = tied_paths(source), embedding_entry(source)
    if not tied or embedding is None:
        return {}, frozenset()
    saved = {path: entry for path in tied if (entry := _entry_of(source, path)) is not None}
    copies = {path: entry for path, entry in saved.items() if _equal(source, embedding, entry)}
    unsaved = [path for path in _live_ties(source, tied) if path not in saved]
    aliases = tuple(sorted([*copies, *unsaved]))
    return {embedding.name: aliases}, frozenset(entry.name for entry in copies.values())


def _live_ties(source: TensorSource, tied: tuple[str, ...]) -> Iterator[str]:
    """Tied modules that the model really has: no head on a bare base model, one name for GPT-NeoX's."""
    named = source.config.get("architectures")
    has_head = not isinstance(named, list) or any(_WITH_HEAD.search(str(name)) for name in named)
    for path in tied:
        inner = path.startswith(("encoder.", "decoder."))
        if (inner or has_head) and path != "embed_out":
            yield path


def _entry_of(source: TensorSource, path: str) -> TensorEntry | None:
    for entry in source.entries:
        if module_path(entry.name, source.model_type) == path and _is_matrix(entry):
            return entry
    return None


def _equal(source: TensorSource, one: TensorEntry, other: TensorEntry) -> bool:
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    return torch.equal(source.read(one.name).view(torch.uint8), source.read(other.name).view(torch.uint8))
