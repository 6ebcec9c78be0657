"""Parameter names and configs of files against those of the models that transformers builds from them."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.checkpoints.effective_config import effective_config
from invarlock.checkpoints.parameters import parameters_of
from tests.measure.tiny_models import BUILDERS, build

FUSED = ("mixtral", "qwen2_moe")  # built with the experts of a layer in one parameter


@pytest.mark.parametrize("name", [name for name in BUILDERS if name not in FUSED])
def test_names_and_shapes_are_those_of_the_built_model(name, opened):
    built = {path: tuple(parameter.shape) for path, parameter in build(name).named_parameters()}
    assert {path: entry.shape for path, entry in parameters_of(opened(name)).items()} == built


def test_buffers_are_no_parameters_and_biases_are(saved, tmp_path):
    folder = shutil.copytree(saved("gpt2"), tmp_path / "model")
    buffers = {
        "h.0.attn.bias": torch.ones(1, 1, 8, 8),
        "h.0.attn.masked_bias": torch.tensor(-1e4),
        "position_ids": torch.arange(8)[None],
    }
    parameters = {"h.0.attn.c_attn.bias": torch.ones(96), "h.1.attn.bias": torch.ones(32)}
    save_file(load_file(folder / "model.safetensors") | buffers | parameters, folder / "model.safetensors")
    found = parameters_of(open_checkpoint(str(folder)))
    assert found.keys() - parameters_of(open_checkpoint(str(saved("gpt2")))).keys() == {
        "transformer.h.1.attn.bias"
    }


@pytest.mark.parametrize("name", ["gpt2", "bert", "llama", "t5"])
def test_omissions_are_filled_in_as_the_built_model_has_them(name, saved, tmp_path):
    folder = shutil.copytree(saved(name), tmp_path / "model")
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config["tie_word_embeddings"]
    path.write_text(json.dumps(config))
    filled = effective_config(open_checkpoint(str(folder)))
    assert filled["tie_word_embeddings"] is build(name).config.tie_word_embeddings
    assert filled.keys() > config.keys()


def test_a_model_type_that_transformers_does_not_know_keeps_its_config(saved, tmp_path):
    folder = shutil.copytree(saved("gpt2"), tmp_path / "model")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "own"}))
    checkpoint = open_checkpoint(str(folder))
    assert effective_config(checkpoint) == checkpoint.config
