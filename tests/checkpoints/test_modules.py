"""Families against the built models: which matrices there are, and where each belongs."""

import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.pytorch_utils import Conv1D

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.checkpoints.modules import modules_of, place
from invarlock.errors import ModelError
from tests.measure.tiny_models import BUILDERS, build

_BERT_LAYER = {
    "embeddings.word_embeddings": "embed",
    "embeddings.position_embeddings": "embed",
    "embeddings.token_type_embeddings": "embed",
    "encoder.layer.N.attention.self.query": "attn",
    "encoder.layer.N.attention.self.key": "attn",
    "encoder.layer.N.attention.self.value": "attn",
    "encoder.layer.N.attention.output.dense": "attn",
    "encoder.layer.N.intermediate.dense": "ffn",
    "encoder.layer.N.output.dense": "ffn",
}
_LLAMA_ATTN = {f"model.layers.N.self_attn.{p}_proj": "attn" for p in "qkvo"} | {"model.embed_tokens": "embed"}
_LLAMA = _LLAMA_ATTN | {f"model.layers.N.mlp.{p}_proj": "ffn" for p in ("gate", "up", "down")}
EXPECTED = {
    "gpt2": {
        "transformer.wte": "embed",
        "transformer.wpe": "embed",
        "transformer.h.N.attn.c_attn": "attn",
        "transformer.h.N.attn.c_proj": "attn",
        "transformer.h.N.mlp.c_fc": "ffn",
        "transformer.h.N.mlp.c_proj": "ffn",
    },
    "bert": {f"bert.{n}": f for n, f in _BERT_LAYER.items()} | {"cls.predictions.transform.dense": "other"},
    "roberta": {f"roberta.{n}": f for n, f in _BERT_LAYER.items()} | {"lm_head.dense": "other"},
    "distilbert": {
        "distilbert.embeddings.word_embeddings": "embed",
        "distilbert.embeddings.position_embeddings": "embed",
        "distilbert.transformer.layer.N.attention.q_lin": "attn",
        "distilbert.transformer.layer.N.attention.k_lin": "attn",
        "distilbert.transformer.layer.N.attention.v_lin": "attn",
        "distilbert.transformer.layer.N.attention.out_lin": "attn",
        "distilbert.transformer.layer.N.ffn.lin1": "ffn",
        "distilbert.transformer.layer.N.ffn.lin2": "ffn",
        "vocab_transform": "other",
    },
    "llama": _LLAMA | {"lm_head": "other"},
    "mistral": _LLAMA | {"lm_head": "other"},
    "qwen2": _LLAMA,
    "opt": {
        "model.decoder.embed_tokens": "embed",
        "model.decoder.embed_positions": "embed",
        "model.decoder.project_in": "embed",
        "model.decoder.project_out": "embed",
        "model.decoder.layers.N.self_attn.q_proj": "attn",
        "model.decoder.layers.N.self_attn.k_proj": "attn",
        "model.decoder.layers.N.self_attn.v_proj": "attn",
        "model.decoder.layers.N.self_attn.out_proj": "attn",
        "model.decoder.layers.N.fc1": "ffn",
        "model.decoder.layers.N.fc2": "ffn",
    },
    "gpt_neox": {
        "gpt_neox.embed_in": "embed",
        "gpt_neox.layers.N.attention.query_key_value": "attn",
        "gpt_neox.layers.N.attention.dense": "attn",
        "gpt_neox.layers.N.mlp.dense_h_to_4h": "ffn",
        "gpt_neox.layers.N.mlp.dense_4h_to_h": "ffn",
        "embed_out": "other",
    },
    "t5": {
        "shared": "embed",
        "encoder.block.N.layer.N.SelfAttention.relative_attention_bias": "embed",
        "decoder.block.N.layer.N.SelfAttention.relative_attention_bias": "embed",
        **{f"encoder.block.N.layer.N.SelfAttention.{p}": "attn" for p in "qkvo"},
        **{f"decoder.block.N.layer.N.SelfAttention.{p}": "attn" for p in "qkvo"},
        **{f"decoder.block.N.layer.N.EncDecAttention.{p}": "attn" for p in "qkvo"},
        **{
            f"{s}.block.N.layer.N.DenseReluDense.{p}": "ffn"
            for s in ("encoder", "decoder")
            for p in ("wi", "wo")
        },
    },
    "phi3": {
        "model.embed_tokens": "embed",
        "model.layers.N.self_attn.qkv_proj": "attn",
        "model.layers.N.self_attn.o_proj": "attn",
        "model.layers.N.mlp.gate_up_proj": "ffn",
        "model.layers.N.mlp.down_proj": "ffn",
        "lm_head": "other",
    },
    "mixtral": _LLAMA_ATTN
    | {f"model.layers.N.block_sparse_moe.experts.N.{p}": "ffn" for p in ("w1", "w2", "w3")}
    | {"model.layers.N.block_sparse_moe.gate": "other", "lm_head": "other"},
    "qwen2_moe": _LLAMA_ATTN
    | {f"model.layers.N.mlp.experts.N.{p}_proj": "ffn" for p in ("gate", "up", "down")}
    | {f"model.layers.N.mlp.shared_expert.{p}_proj": "ffn" for p in ("gate", "up", "down")}
    | {
        "model.layers.N.mlp.gate": "other",
        "model.layers.N.mlp.shared_expert_gate": "other",
        "lm_head": "other",
    },
}
# What transformers 5 calls a module in memory, and what it writes into the file.
_SAVED_AS = {"gpt_neox": [("lm_head", "embed_out")], "mixtral": [(".mlp.", ".block_sparse_moe.")]}
_EXPERT_PARTS = {
    "mixtral": {"gate_up_proj": ("w1", "w3"), "down_proj": ("w2",)},
    "qwen2_moe": {"gate_up_proj": ("gate_proj", "up_proj"), "down_proj": ("down_proj",)},
}


def _walk(name: str) -> set[str]:
    """Every distinct 2-D weight of a Linear, Conv1D, Embedding or router, and every expert, by saved name."""
    found, seen = set(), set()
    for path, module in build(name).named_modules():
        if type(module).__name__.endswith("Experts"):
            for kind, tensor in module.named_parameters():
                for expert in range(tensor.shape[0]):
                    found |= {f"{path}.{expert}.{part}" for part in _EXPERT_PARTS[name][kind]}
        elif (
            isinstance(module, (torch.nn.Linear, Conv1D, torch.nn.Embedding))
            or "Router" in type(module).__name__
        ):
            if module.weight.data_ptr() not in seen:
                found.add(path)
            seen.add(module.weight.data_ptr())
    for live, saved in _SAVED_AS.get(name, []):
        found = {path.replace(live, saved) for path in found}
    return found


@pytest.mark.parametrize("name", BUILDERS)
def test_every_matrix_is_found_once_and_placed(name, opened):
    modules = modules_of(opened(name))
    assert {module.name for module in modules} == _walk(name)
    assert len(modules) == len({module.name for module in modules})
    placed = {re.sub(r"\.\d+", ".N", module.name): module.family.value for module in modules}
    assert placed == EXPECTED[name]
    assert all(module.rule.startswith(f"{name}: ") for module in modules)


@pytest.mark.parametrize("name", BUILDERS)
def test_matrices_of_a_conv1d_and_no_others_are_stored_transposed(name, opened):
    conv1d = {path for path, module in build(name).named_modules() if isinstance(module, Conv1D)}
    assert {module.name for module in modules_of(opened(name)) if module.transposed} == conv1d


@pytest.mark.parametrize("name", BUILDERS)
def test_shapes_are_those_of_the_tensors(name, opened):
    checkpoint = opened(name)
    for module in modules_of(checkpoint):
        assert module.matrix_of(checkpoint.read(module.tensor)).shape == module.shape


ALIASES = {
    "gpt2": ("transformer.wte", ("lm_head",)),
    "bert": ("bert.embeddings.word_embeddings", ("cls.predictions.decoder",)),
    "roberta": ("roberta.embeddings.word_embeddings", ("lm_head.decoder",)),
    "distilbert": ("distilbert.embeddings.word_embeddings", ("vocab_projector",)),
    "qwen2": ("model.embed_tokens", ("lm_head",)),
    "opt": ("model.decoder.embed_tokens", ("lm_head",)),
    "t5": ("shared", ("decoder.embed_tokens", "encoder.embed_tokens", "lm_head")),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_tied_tensors_list_their_aliases(name, opened):
    aliased = {module.name: module.aliases for module in modules_of(opened(name)) if module.aliases}
    assert aliased == dict([ALIASES[name]] if name in ALIASES else [])
    parameters = dict(build(name).named_parameters(remove_duplicate=False))
    for owner, aliases in aliased.items():
        assert all(parameters[f"{alias}.weight"] is parameters[f"{owner}.weight"] for alias in aliases)


def _rewritten(saved, tmp_path, name, change):
    shutil.copytree(saved(name), tmp_path / name)
    tensors = change(load_file(tmp_path / name / "model.safetensors"))
    save_file(
        {key: tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / name / "model.safetensors"
    )
    return open_checkpoint(str(tmp_path / name))


def test_a_hub_checkpoint_without_prefix_has_the_same_modules(saved, opened, tmp_path):
    """GPT-2 on the hub: no ``transformer.`` and a causal mask among the tensors."""

    def as_on_the_hub(tensors):
        mask = {"h.0.attn.bias": torch.ones(1, 1, 64, 64)}
        return {key.removeprefix("transformer."): tensor for key, tensor in tensors.items()} | mask

    hub = _rewritten(saved, tmp_path, "gpt2", as_on_the_hub)
    assert [m.model_copy(update={"tensor": f"transformer.{m.tensor}"}) for m in modules_of(hub)] == list(
        modules_of(opened("gpt2"))
    )


def test_fused_experts_are_one_matrix_each(saved, tmp_path):
    live = {key: tensor.detach() for key, tensor in build("mixtral").state_dict().items()}
    modules = modules_of(_rewritten(saved, tmp_path, "mixtral", lambda _: live))
    fused = [
        module for module in modules if module.name.startswith("model.layers.1.mlp.experts.gate_up_proj")
    ]
    assert [module.name for module in fused] == [
        f"model.layers.1.mlp.experts.gate_up_proj[{i}]" for i in range(4)
    ]
    assert [module.expert for module in fused] == [0, 1, 2, 3]
    assert {module.family.value for module in fused} == {"ffn"}
    assert {module.shape for module in fused} == {(96, 32)}
    assert torch.equal(fused[3].matrix_of(live[fused[3].tensor]), live[fused[3].tensor][3])


@pytest.mark.parametrize(("changed", "expected"), [(0.0, ("lm_head",)), (1.0, ())])
def test_a_saved_head_is_an_alias_only_if_equal(changed, expected, saved, tmp_path):
    def with_head(tensors):
        return tensors | {"lm_head.weight": tensors["transformer.wte.weight"] + changed}

    modules = {module.name: module for module in modules_of(_rewritten(saved, tmp_path, "gpt2", with_head))}
    assert modules["transformer.wte"].aliases == expected
    assert ("lm_head" in modules) == (expected == ())


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("transformer.blocks.3.attn.Wqkv", "attn"),
        ("model.layers.0.self_attn.q_proj", "attn"),
        ("model.layers.0.feed_forward.w1", "ffn"),
        ("decoder.layers.2.fc1", "ffn"),
        ("model.tok_embeddings", "embed"),
        ("model.layers.0.moe.router", "other"),
        ("lm_head", "other"),
        ("something.else", "other"),
    ],
)
def test_unknown_architectures_follow_generic_rules(path, family):
    placed, rule = place(path, "unheard_of")
    assert placed.value == family
    assert rule == "no rule" if path == "something.else" else rule.startswith("generic: ")


def test_a_checkpoint_without_matrices_is_an_error(saved, tmp_path):
    with pytest.raises(ModelError, match="no weight matrix"):
        modules_of(_rewritten(saved, tmp_path, "gpt2", lambda _: {"ln_f.weight": torch.ones(32)}))
