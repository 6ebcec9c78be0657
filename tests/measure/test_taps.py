"""Taps: found by names alone, and there in the model that transformers builds."""

from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
import torch

from invarlock.checkpoints.branch_parts import in_branch
from invarlock.checkpoints.checkpoint import Checkpoint, open_checkpoint
from invarlock.checkpoints.modules import modules_of
from invarlock.errors import ModelError
from invarlock.families import Family
from invarlock.measure.taps import edited_taps, find_taps, taps_of
from tests.measure.tiny_models import BUILDERS, build

FIRST_BLOCK = {
    "gpt2": ["transformer.h.0.attn.c_proj", "transformer.h.0.mlp.c_proj"],
    "bert": ["bert.encoder.layer.0.attention.output.dense", "bert.encoder.layer.0.output.dense"],
    "roberta": ["roberta.encoder.layer.0.attention.output.dense", "roberta.encoder.layer.0.output.dense"],
    "distilbert": [
        "distilbert.transformer.layer.0.attention.out_lin",
        "distilbert.transformer.layer.0.ffn.lin2",
    ],
    "llama": ["model.layers.0.self_attn.o_proj", "model.layers.0.mlp.down_proj"],
    "mistral": ["model.layers.0.self_attn.o_proj", "model.layers.0.mlp.down_proj"],
    "qwen2": ["model.layers.0.self_attn.o_proj", "model.layers.0.mlp.down_proj"],
    "phi3": ["model.layers.0.self_attn.o_proj", "model.layers.0.mlp.down_proj"],
    "mixtral": ["model.layers.0.self_attn.o_proj", "model.layers.0.mlp"],
    "qwen2_moe": ["model.layers.0.self_attn.o_proj", "model.layers.0.mlp"],
    "opt": ["model.decoder.layers.0.self_attn.out_proj", "model.decoder.layers.0.fc2"],
    "gpt_neox": ["gpt_neox.layers.0.attention.dense", "gpt_neox.layers.0.mlp.dense_4h_to_h"],
    "t5": [
        "encoder.block.0.layer.0.SelfAttention.o",
        "encoder.block.0.layer.1.DenseReluDense.wo",
        "decoder.block.0.layer.0.SelfAttention.o",
        "decoder.block.0.layer.1.EncDecAttention.o",
        "decoder.block.0.layer.2.DenseReluDense.wo",
    ],
}


@pytest.mark.parametrize("name", BUILDERS)
def test_taps_are_the_branches_of_every_block(name, opened):
    taps = taps_of(opened(name))
    first = FIRST_BLOCK[name]
    assert [tap.module for tap in taps] == first + [path.replace(".0.", ".1.", 1) for path in first]
    assert [tap.block for tap in taps] == [0] * len(first) + [1] * len(first)
    ffn = {tap.module for tap in taps if fnmatchcase(tap.canonical, "transformer.h.*.mlp.c_proj")}
    assert ffn == {tap.module for tap in taps if tap.family is Family.FFN}
    assert len(ffn) == (4 if name == "t5" else 2)
    attention = {tap.module for tap in taps if tap.family is Family.ATTN}
    assert attention == {tap.module for tap in taps} - ffn


@pytest.mark.parametrize("name", BUILDERS)
def test_the_live_model_runs_every_tap_once_and_has_the_same(name, opened):
    model, seen = build(name), []
    taps = taps_of(opened(name))
    assert find_taps((path for path, _ in model.named_modules()), name) == taps
    handles = [
        model.get_submodule(tap.module).register_forward_hook(
            lambda _module, _inputs, output, tap=tap: seen.append((tap.module, output.numel()))
        )
        for tap in taps
    ]
    ids = torch.arange(5, 12)[None]
    with torch.inference_mode():
        model(input_ids=ids, **({"decoder_input_ids": ids} if name == "t5" else {}))
    for handle in handles:
        handle.remove()
    assert sorted(seen) == sorted((tap.module, 7 * 32) for tap in taps)


def test_a_bare_base_model_has_the_taps_of_the_model_with_its_head(tmp_path, opened):
    build("gpt2").transformer.save_pretrained(tmp_path)
    assert taps_of(open_checkpoint(str(tmp_path))) == taps_of(opened("gpt2"))


def test_an_unknown_model_type_is_refused():
    with pytest.raises(ModelError, match="does not know") as caught:
        find_taps(["transformer.h.0.mlp.c_proj"], "mamba")
    assert "gpt2" in str(caught.value)


def test_a_model_without_branches_is_refused():
    with pytest.raises(ModelError, match="nothing to attach"):
        find_taps(
            ["transformer.wte", "transformer.h.0.mlp.c_proj_of_another", "transformer.h.0.ln_1"], "gpt2"
        )


def test_taps_that_an_edit_touches(opened: Callable[[str], Checkpoint]) -> None:
    edited = edited_taps(opened("gpt2"), ["transformer.h.1.mlp.c_fc"])
    assert [tap.module for tap in edited] == ["transformer.h.1.mlp.c_proj"]
    edited = edited_taps(opened("bert"), ["bert.encoder.layer.0.attention.self.key"])
    assert [tap.module for tap in edited] == ["bert.encoder.layer.0.attention.output.dense"]
    edited = edited_taps(opened("t5"), ["decoder.block.1.layer.0.SelfAttention.v", "shared"])
    assert [tap.module for tap in edited] == ["decoder.block.1.layer.0.SelfAttention.o"]
    with pytest.raises(ModelError, match="none of the edited modules"):
        edited_taps(opened("gpt2"), ["transformer.wte"])


@pytest.mark.parametrize("name", BUILDERS)
def test_a_module_is_in_the_branch_that_the_live_model_ends_next(
    name: str, opened: Callable[[str], Checkpoint]
) -> None:
    """A block runs its branches one after another: a matrix belongs to the first tap that is done after it is."""
    model, taps = build(name), {tap.module for tap in taps_of(opened(name))}
    holders = {
        path.rpartition(".")[0]
        for path, parameter in model.named_parameters()
        if parameter.dim() > 1 and any(piece.isdecimal() for piece in path.split("."))
    }
    done: list[str] = []
    handles = [
        model.get_submodule(path).register_forward_hook(lambda *_, path=path: done.append(path))
        for path in holders | taps
    ]
    ids = torch.arange(5, 12)[None]
    with torch.inference_mode():
        model(input_ids=ids, **({"decoder_input_ids": ids} if name == "t5" else {}))
    for handle in handles:
        handle.remove()
    assert holders <= set(done)
    for path in holders:
        [*_, last] = [place for place, each in enumerate(done) if each == path]
        following = next(each for each in done[last:] if each in taps)
        assert [tap for tap in taps if in_branch(path, tap)] == [following], path


@pytest.mark.parametrize("name", BUILDERS)
def test_each_matrix_of_a_branch_is_on_one_tap_of_its_family(
    name: str, opened: Callable[[str], Checkpoint]
) -> None:
    taps = taps_of(opened(name))
    placed = {
        module.name: [tap.family for tap in taps if in_branch(module.name, tap.module)]
        for module in modules_of(opened(name))
        if module.family in (Family.FFN, Family.ATTN)
    }
    families = {module.name: [module.family] for module in modules_of(opened(name))}
    assert placed == {path: families[path] for path in placed}
    assert all(any(in_branch(path, tap.module) for path in placed) for tap in taps)


@pytest.mark.parametrize(
    ("module", "tap"),
    [
        ("model.layers.3.block_sparse_moe.experts.5.w1", "model.layers.3.mlp"),
        ("model.layers.3.mlp.experts.gate_up_proj[5]", "model.layers.3.mlp"),
        ("model.layers.3.mlp.gate", "model.layers.3.mlp"),
        ("bert.encoder.layer.3.intermediate.dense", "bert.encoder.layer.3.output.dense"),
        ("model.decoder.layers.3.fc1", "model.decoder.layers.3.fc2"),
    ],
)
def test_the_path_says_which_branch(module: str, tap: str) -> None:
    assert in_branch(module, tap)
    assert not in_branch(module, tap.replace("3", "31"))
    assert not in_branch(module.replace("3", "31"), tap)


def test_what_is_in_no_branch() -> None:
    assert not in_branch("bert.encoder.layer.3.crossattention.self.key", "bert.encoder.layer.3.output.dense")
    assert not in_branch("transformer.h.3.mlp.c_fc", "transformer.h.3.attn.c_proj")
    assert not in_branch("transformer.h.3.mlp.c_fc", "transformer.h.3.mlp")
    assert not in_branch("transformer.wte", "transformer.wte")
