"""The invariants snapshot against the built models."""

import json
import shutil

import pytest
import torch
import transformers
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
    if name not in ("mixtral", "qwen2_moe"):  # built with the experts of a layer in one parameter
        built = {path: tuple(parameter.shape) for path, parameter in model.named_parameters()}
        assert snapshot.parameter_shapes == built
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


# As the hub has them: GPT-2 of 2019, BERT of 2018, Llama of 2023.
_OLD_CONFIGS = {
    "gpt2": ("n_inner", "reorder_and_upcast_attn", "scale_attn_weights", "tie_word_embeddings"),
    "bert": ("add_cross_attention", "is_decoder", "tie_word_embeddings"),
    "llama": ("attention_bias", "mlp_bias", "head_dim", "rope_parameters", "tie_word_embeddings"),
}


def _old_names(name, tensors):
    if name == "gpt2":
        old = {key.removeprefix("transformer."): tensor for key, tensor in tensors.items()}
        return old | {f"h.{i}.attn.bias": torch.ones(1, 1, 8, 8).tril() for i in range(2)}
    if name == "bert":
        old = {
            key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                "LayerNorm.bias", "LayerNorm.beta"
            ): tensor
            for key, tensor in tensors.items()
        }
        table = tensors["bert.embeddings.word_embeddings.weight"].clone()
        return old | {"cls.predictions.decoder.weight": table}
    return tensors


@pytest.mark.parametrize("name", _OLD_CONFIGS)
def test_a_model_that_was_saved_again_has_the_snapshot_it_had(name, saved, tmp_path):
    """Saved again by transformers itself, which writes today's names and every default."""
    old = shutil.copytree(saved(name), tmp_path / "old")
    save_tokenizer(old)
    tensors = _old_names(name, load_file(old / "model.safetensors"))
    save_file(tensors, old / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((old / "config.json").read_text())
    kept = {field: value for field, value in config.items() if field not in _OLD_CONFIGS[name]}
    (old / "config.json").write_text(json.dumps(kept))
    auto = transformers.AutoModelForMaskedLM if name == "bert" else transformers.AutoModelForCausalLM
    auto.from_pretrained(old).save_pretrained(tmp_path / "new")
    save_tokenizer(tmp_path / "new")
    before, after = (open_checkpoint(str(tmp_path / side)) for side in ("old", "new"))
    assert before.config.keys() != after.config.keys()
    assert snapshot_invariants(before) == snapshot_invariants(after)


def test_a_config_that_transformers_cannot_read_is_refused(copied):
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"n_head": "four"}))
    with pytest.raises(ModelError, match=r"n_head.*expected int") as caught:
        snapshot_invariants(open_checkpoint(str(copied)))
    assert str(caught.value.where).endswith("config.json")


def test_a_head_that_differs_is_a_parameter_of_its_own(copied):
    before = snapshot_invariants(open_checkpoint(str(copied)))
    tensors = load_file(copied / "model.safetensors")
    save_file(
        tensors | {"lm_head.weight": tensors["transformer.wte.weight"] * 2}, copied / "model.safetensors"
    )
    after = snapshot_invariants(open_checkpoint(str(copied)))
    assert after.parameter_shapes.keys() - before.parameter_shapes.keys() == {"lm_head.weight"}
    assert (before.tied_groups, after.tied_groups) == ((("lm_head", "transformer.wte"),), ())


def test_a_model_without_embedding_is_an_error(copied):
    save_file({"transformer.h.0.mlp.c_fc.weight": torch.ones(4, 4)}, copied / "model.safetensors")
    with pytest.raises(ModelError, match="no input embedding"):
        snapshot_invariants(open_checkpoint(str(copied)))
