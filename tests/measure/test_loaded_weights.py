"""What was loaded is what is stored, of every architecture and whatever transformers was made to load."""

import json
import shutil
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.errors import ModelError
from invarlock.measure.build_model import build_model
from invarlock.measure.loaded_weights import ensure_loaded_as_stored
from invarlock.measure.metric_kind import metric_kind
from tests.measure.tiny_models import BUILDERS


def _built(checkpoint, dtype=torch.float32):
    return build_model(checkpoint, metric_kind(checkpoint), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", BUILDERS)
def test_one_other_number_in_any_live_tensor_is_caught(name, dtype, opened):
    checkpoint = opened(name)
    module = _built(checkpoint, dtype)
    for tensor in module.state_dict().values():
        kept = tensor.flatten()[-1].clone()
        tensor.view(-1)[-1] += 1
        with pytest.raises(ModelError, match="would not run"):
            ensure_loaded_as_stored(checkpoint, module)
        tensor.view(-1)[-1] = kept
    ensure_loaded_as_stored(checkpoint, module)


def _made_to_load(folder, tensors):
    """Have transformers load ``tensors`` from now on, as any file may change once the checkpoint is open."""
    save_file(tensors, folder / "other.safetensors", {"format": "pt"})
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"transformers_weights": "other.safetensors"}))


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("gpt2", "transformer.h.1.mlp.c_proj.weight"),
        ("bert", "bert.encoder.layer.1.output.LayerNorm.weight"),
        ("gpt_neox", "embed_out.weight"),
        ("mixtral", "model.layers.1.block_sparse_moe.experts.3.w3.weight"),
        ("qwen2_moe", "model.layers.0.mlp.experts.2.down_proj.weight"),
    ],
)
def test_a_file_that_transformers_was_pointed_to_later_is_caught(name, tensor, saved, tmp_path):
    folder = shutil.copytree(saved(name), tmp_path / name)
    checkpoint = open_checkpoint(str(folder))
    tensors = load_file(folder / "model.safetensors")
    _made_to_load(folder, tensors | {tensor: tensors[tensor] * 1.5})
    with pytest.raises(ModelError, match=f"{tensor} is stored with other numbers"):
        _built(checkpoint)
    _made_to_load(folder, tensors)
    _built(checkpoint)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("llama", "model.layers.1.mlp.up_proj.weight"),
        ("mixtral", "model.layers.1.block_sparse_moe.experts.3.w3.weight"),
    ],
)
def test_what_runs_without_being_stored_is_caught(name, tensor, saved, tmp_path):
    folder = shutil.copytree(saved(name), tmp_path / name)
    tensors = load_file(folder / "model.safetensors")
    less = {key: value for key, value in tensors.items() if key != tensor}
    save_file(less, folder / "model.safetensors", {"format": "pt"})
    checkpoint = open_checkpoint(str(folder))
    _made_to_load(folder, tensors)
    with pytest.raises(ModelError, match=f"has none of what would run as {tensor}\n"):
        _built(checkpoint)


def test_what_is_not_a_number_is_left_to_those_who_measure(saved, tmp_path):
    folder = shutil.copytree(saved("gpt2"), tmp_path / "gpt2")
    tensors = load_file(folder / "model.safetensors")
    tensors["transformer.h.0.mlp.c_fc.weight"][0, 0] = torch.nan
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    assert _built(open_checkpoint(str(folder))).transformer.h[0].mlp.c_fc.weight[0, 0].isnan()


@pytest.mark.skipif(find_spec("flash_attn") is not None, reason="the package is there")
def test_a_package_that_the_config_asks_for_is_missed_by_name(saved, tmp_path):
    folder = shutil.copytree(saved("llama"), tmp_path / "llama")
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"attn_implementation": "flash_attention_2"}))
    with pytest.raises(ModelError, match="FlashAttention2"):
        _built(open_checkpoint(str(folder)))
