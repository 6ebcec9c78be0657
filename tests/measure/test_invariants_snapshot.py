"""The invariants snapshot against the built models."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.errors import ModelError
from invarlock.measure.invariants import hash_graph_config, snapshot_invariants
from tests.measure.tiny_models import BUILDERS, VOCABULARY, build, save_tokenizer


@pytest.fixture
def copied(saved, tmp_path):
    return shutil.copytree(saved("gpt2"), tmp_path / "model")


@pytest.mark.parametrize("name", BUILDERS)
def test_norm_layers_are_those_of_the_built_model(name, opened):
    built = {path for path, module in build(name).named_modules() if "norm" in type(module).__name__.lower()}
    assert set(snapshot_invariants(opened(name)).norm_layers) == built


@pytest.mark.parametrize("name", BUILDERS)
def test_embedding_shapes_and_ties(name, opened):
    snapshot = snapshot_invariants(opened(name))
    model = build(name)
    assert snapshot.embedding_rows == model.get_input_embeddings().weight.shape[0]
    assert snapshot.nonfinite == ()
    entries = opened(name).entries
    assert snapshot.parameter_shapes == {entry.name: entry.shape for entry in entries}
    head, inputs = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    assert bool(snapshot.tied_groups) == (head is inputs)


def test_the_vocabulary_is_the_tokenizers(saved, copied):
    assert snapshot_invariants(open_checkpoint(str(copied))).vocabulary_size is None
    save_tokenizer(copied)
    assert snapshot_invariants(open_checkpoint(str(copied))).vocabulary_size == VOCABULARY
    (copied / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="tokenizer"):
        snapshot_invariants(open_checkpoint(str(copied)))


def test_values_that_are_not_finite_are_named(copied):
    tensors = load_file(copied / "model.safetensors")
    tensors["transformer.ln_f.bias"][3] = float("nan")
    tensors["transformer.wpe.weight"][0, 0] = float("-inf")
    save_file(tensors, copied / "model.safetensors")
    snapshot = snapshot_invariants(open_checkpoint(str(copied)))
    assert snapshot.nonfinite == ("transformer.ln_f.bias", "transformer.wpe.weight")


@pytest.mark.parametrize(
    ("field", "value", "shapes_graph"),
    [
        ("n_head", 8, True),
        ("activation_function", "relu", True),
        ("layer_norm_epsilon", 1e-3, True),
        ("tie_word_embeddings", False, True),
        ("dtype", "bfloat16", False),
        ("torch_dtype", "float16", False),
        ("_name_or_path", "elsewhere", False),
        ("transformers_version", "4.0.0", False),
        ("attn_pdrop", 0.3, False),
        ("eos_token_id", 5, False),
    ],
)
def test_the_config_hash_sees_what_shapes_the_graph(field, value, shapes_graph, copied):
    before = hash_graph_config(open_checkpoint(str(copied)))
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {field: value}))
    assert (hash_graph_config(open_checkpoint(str(copied))) != before) == shapes_graph


def test_a_model_without_embedding_is_an_error(copied):
    save_file({"transformer.h.0.mlp.c_fc.weight": torch.ones(4, 4)}, copied / "model.safetensors")
    with pytest.raises(ModelError, match="no input embedding"):
        snapshot_invariants(open_checkpoint(str(copied)))
