"""What must not change under an edit (design page 2, Invariants), read off a checkpoint, unbuilt."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from pydantic import JsonValue

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.checkpoints.effective_config import effective_config
from invarlock.checkpoints.modules import embedding_entry, modules_of
from invarlock.checkpoints.parameters import parameters_of
from invarlock.digests import digest_of
from invarlock.errors import ModelError
from invarlock.measure.records import InvariantsSnapshot
from invarlock.measure.vocabulary import vocabulary_size

# Names of LayerNorm and RMSNorm weights: ln_1, ln_f, LayerNorm, layer_norm, input_layernorm, norm, q_norm,
# sa_layer_norm.
_NORM = re.compile(r"(?:^|[._])(?:ln(?:_\w+)?|(?:\w+_)?(?:layer_?norm|rms_?norm|norm\d?))\.weight$", re.I)
# Fields that change nothing about which tensors meet which: bookkeeping, storage, training, generation.
_NOT_GRAPH = re.compile(
    r"_name_or_path|transformers_version|torch_dtype|dtype|use_cache|output_\w+|return_dict|task_specific_params"
    r"|\w*(dropout|pdrop)\w*|initializer_\w+|id2label|label2id|problem_type|finetuning_task"
    r"|\w+_token_id|(max|min)_length|do_sample|num_beams|temperature|top_[kp]|gradient_checkpointing"
)


def snapshot_invariants(source: TensorSource) -> InvariantsSnapshot:
    """Shapes, ties, norm layers, embedding, config hash, and the names of tensors that are not finite.

    Names and config are those of the built model, so that one model has one snapshot however it was saved. Reads every
    tensor once, one at a time. The vocabulary is that of the tokenizer beside the checkpoint.

    Raises
    ------
    ModelError: no input embedding, a tokenizer that cannot be loaded, a file or config that cannot be read.
    """
    embedding = embedding_entry(source)
    if embedding is None:
        raise ModelError("no input embedding was found", where=source.model_type, fix="name a language model")
    tied = [module for module in modules_of(source) if module.aliases]
    copies = {f"{alias}.weight" for module in tied for alias in module.aliases}
    parameters = parameters_of(source)
    return InvariantsSnapshot(
        parameter_shapes={name: entry.shape for name, entry in parameters.items() if name not in copies},
        tied_groups=tuple(sorted(tuple(sorted([module.name, *module.aliases])) for module in tied)),
        norm_layers=norm_layers(source),
        embedding_rows=embedding.shape[0],
        vocabulary_size=vocabulary_size(source.root),
        config_sha256=hash_graph_config(source),
        nonfinite=nonfinite_tensors(source),
    )


def nonfinite_tensors(source: TensorSource) -> tuple[str, ...]:
    """Names of the tensors with NaN or infinity. Reads every tensor once, one at a time."""
    return tuple(entry.name for entry in source.entries if not _finite(source.read(entry.name)))


def norm_layers(source: TensorSource) -> tuple[str, ...]:
    """LayerNorm and RMSNorm modules, by the names of their gains."""
    return tuple(
        name.rpartition(".")[0]
        for name, entry in parameters_of(source).items()
        if len(entry.shape) == 1 and _NORM.search(name)
    )


def hash_graph_config(source: TensorSource) -> str:
    """Hex SHA-256 over the config fields that shape the graph, omissions filled in."""
    return digest_of(graph_config(source))


def graph_config(source: TensorSource) -> Mapping[str, JsonValue]:
    """The config fields that shape the graph, omissions filled in."""
    config = effective_config(source)
    return {name: value for name, value in config.items() if not _NOT_GRAPH.fullmatch(name)}


def _finite(tensor: torch.Tensor) -> bool:
    if not tensor.is_floating_point() or tensor.numel() == 0:
        return True
    low, high = torch.aminmax(tensor)  # NaN spreads into both, and neither needs a mask as big as the tensor
    return bool(torch.isfinite(low) & torch.isfinite(high))
