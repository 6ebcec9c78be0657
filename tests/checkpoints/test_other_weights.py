"""Folders from which transformers would load something else than what is read and measured."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.errors import ModelError
from invarlock.measure.build_model import build_model
from invarlock.measure.metric_kind import metric_kind


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved("gpt2"), tmp_path / "model")


def _configure(folder, **keys):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("transformers_weights", "other.safetensors"),
        ("configuration_files", ["config.4.0.0.json"]),
        ("attribute_map", {"hidden_size": "n_embd", "transformers_weights": "x"}),
        ("quantization_config", {"quant_method": "fp8"}),
        ("fusion_config", {"patch_embeddings": True}),
        ("attn_implementation", "kernels-community/flash-attn"),
        ("_attn_implementation", {"": "kernels-community/flash-attn"}),
    ],
)
def test_a_key_that_has_something_else_loaded_is_refused(key, value, folder):
    _configure(folder, **{key: value})
    with pytest.raises(ModelError, match=key) as caught:
        open_checkpoint(str(folder))
    assert caught.value.where == f"{folder / 'config.json'}: {key}"


def test_weights_named_by_the_config_are_refused_with_what_to_do(folder):
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensor * 2 for name, tensor in tensors.items()}, folder / "other.safetensors")
    _configure(folder, transformers_weights="other.safetensors")
    with pytest.raises(ModelError) as caught:
        open_checkpoint(str(folder))
    assert "rename that file to model.safetensors" in caught.value.fix


def test_a_key_of_a_config_inside_the_config_is_refused(folder):
    _configure(folder, text_config={"transformers_weights": "other.safetensors"})
    with pytest.raises(ModelError, match=r"text_config\.transformers_weights names a file"):
        open_checkpoint(str(folder))


def test_keys_that_change_nothing_are_not_refused(folder):
    _configure(folder, transformers_weights=None, quantization_config=None, attn_implementation="eager")
    checkpoint = open_checkpoint(str(folder))
    build_model(checkpoint, metric_kind(checkpoint), torch.float32)


@pytest.mark.parametrize("whole", [True, False])
def test_an_adapter_is_refused_beside_a_model_and_alone(whole, folder):
    weights = load_file(folder / "model.safetensors")["transformer.h.0.mlp.c_proj.weight"]
    path = "base_model.model.transformer.h.0.mlp.c_proj"
    save_file(
        {
            f"{path}.lora_A.weight": weights.T[:4].contiguous(),
            f"{path}.lora_B.weight": weights.T[:, :4].contiguous(),
        },
        folder / "adapter_model.safetensors",
    )
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "r": 4, "target_modules": ["mlp.c_proj"], "fan_in_fan_out": True})
    )
    if not whole:
        (folder / "config.json").unlink()
        (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"adapter_config\.json") as caught:
        open_checkpoint(str(folder))
    assert "merge the adapter" in caught.value.fix


def test_a_distributed_checkpoint_beside_the_weights_is_refused(folder):
    shard = folder / "shard-00000-model-00001-of-00001.safetensors"
    shutil.copy(folder / "model.safetensors", shard)
    with pytest.raises(ModelError, match=r"in place of model\.safetensors") as caught:
        open_checkpoint(str(folder))
    assert caught.value.where == str(shard)
