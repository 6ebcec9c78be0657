"""Plans against real checkpoints: what they aim at, what they refuse before any work, what they do."""

import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.edits.overlay import EditedCheckpoint
from invarlock.edits.plan import plan_edit
from invarlock.edits.planned_edit import PlannedEdit
from invarlock.edits.quant_rtn import quant_rtn
from invarlock.errors import ConfigError, ModelError
from invarlock.measure.models import applied, load_model
from tests.measure.tiny_models import BUILDERS

DEMO = "bundled:pydocs-gpt2"


@pytest.fixture
def rewritten(saved, tmp_path):
    def rewrite(name, change):
        folder = shutil.copytree(saved(name), tmp_path / name)
        tensors = change(load_file(folder / "model.safetensors"))
        save_file({key: t.contiguous() for key, t in tensors.items()}, folder / "model.safetensors")
        return open_checkpoint(str(folder))

    return rewrite


def test_noop_plans_nothing(opened):
    assert plan_edit("noop", {}, opened("gpt2")) is None
    with pytest.raises(ConfigError, match="noop has no plan") as caught:
        plan_edit("noop", {"scope": "ffn"}, opened("gpt2"))
    assert caught.value.where == "edit.plan.scope"


@pytest.mark.parametrize("name", BUILDERS)
def test_scopes_are_families_and_never_embeddings_or_heads(name, opened):
    base = opened(name)
    ffn, attn, both = (
        plan_edit("quant_rtn", {"scope": scope}, base).modules for scope in ("ffn", "attn", "all")
    )
    assert set(ffn) | set(attn) == set(both)
    assert len(ffn) + len(attn) == len(both) > 0
    assert not [module for module in both if "embed" in module or "head" in module or "wte" in module]
    assert plan_edit("quant_rtn", {}, base).modules == ffn


def layered(count):
    def change(tensors):
        own = {name: tensor for name, tensor in tensors.items() if ".h.0.mlp.c_fc.w" in name}
        (name,) = own
        return {
            "transformer.wte.weight": tensors["transformer.wte.weight"],
            **{name.replace(".0.", f".{block}."): own[name].clone() for block in range(count)},
        }

    return change


def test_the_first_modules_are_those_of_the_first_layers(rewritten):
    base = rewritten("gpt2", layered(12))
    first = plan_edit("quant_rtn", {"max_modules": 11}, base)
    assert first.modules == tuple(f"transformer.h.{block}.mlp.c_fc" for block in range(11))
    assert len(plan_edit("quant_rtn", {"max_modules": 99}, base).modules) == 12


def test_a_seed_draws_the_modules(rewritten):
    base = rewritten("gpt2", layered(12))
    draws = [plan_edit("quant_rtn", {"max_modules": 3, "seed": seed}, base).modules for seed in range(200)]
    assert all(len(set(draw)) == 3 for draw in draws)
    assert all(list(draw) == sorted(draw, key=lambda name: int(name.split(".")[2])) for draw in draws)
    counts = [sum(f"transformer.h.{block}.mlp.c_fc" in draw for draw in draws) for block in range(12)]
    assert min(counts) > 25  # 50 are expected of each, with a standard deviation of 6
    assert plan_edit("quant_rtn", {"max_modules": 3, "seed": 7}, base).modules == draws[7]


def test_selectors_narrow_the_scope(opened):
    plan = {"scope": "all", "module_selectors": ["*.h.1.*.c_proj", "*.h.0.attn.*"]}
    assert plan_edit("quant_rtn", plan, opened("gpt2")).modules == (
        "transformer.h.0.attn.c_attn",
        "transformer.h.0.attn.c_proj",
        "transformer.h.1.attn.c_proj",
        "transformer.h.1.mlp.c_proj",
    )


BAD = [
    ({"bits": 4}, "edit.plan.bits", "unknown key; did you mean bitwidth|unknown key; known here"),
    (
        {"xyz": 4},
        "edit.plan.xyz",
        "known here: bitwidth, clamp_ratio, group_size, max_modules, module_selectors",
    ),
    ({"bitwidth": 1}, "edit.plan.bitwidth", "greater than or equal to 2, not 1"),
    ({"bitwidth": 9}, "edit.plan.bitwidth", "less than or equal to 8, not 9"),
    ({"bitwidth": 4.5}, "edit.plan.bitwidth", "valid integer"),
    ({"bitwidth": True}, "edit.plan.bitwidth", "valid integer"),
    ({"clamp_ratio": 0.6}, "edit.plan.clamp_ratio", "less than or equal to 0.5"),
    ({"clamp_ratio": float("nan")}, "edit.plan.clamp_ratio", "clamp_ratio"),
    ({"scope": "embed"}, "edit.plan.scope", "'ffn', 'attn' or 'all'"),
    ({"max_modules": 0}, "edit.plan.max_modules", "greater than or equal to 1"),
    ({"seed": -1}, "edit.plan.seed", "greater than or equal to 0"),
    (
        {"group_size": 24},
        "edit.plan.group_size",
        r"24 does not divide the input width 32: module transformer\.h\.0",
    ),
    (
        {"group_size": 64},
        "edit.plan.group_size",
        r"input width 32: module transformer\.h\.0\.mlp\.c_fc, 128 outputs",
    ),
    ({"group_size": 8, "per_channel": False}, "edit.plan.group_size", "one scale a matrix"),
    (
        {"module_selectors": ["*c_fc", "*.h.9.*"]},
        "edit.plan.module_selectors[1]",
        r"'\*\.h\.9\.\*' matches none",
    ),
    ({"module_selectors": ["*attn*"]}, "edit.plan.module_selectors[0]", "none of the 4 modules of scope ffn"),
]


@pytest.mark.parametrize(("plan", "where", "what"), BAD, ids=[str(plan) for plan, *_ in BAD])
def test_a_bad_plan_is_refused_at_its_key(plan, where, what, opened):
    with pytest.raises(ConfigError, match=what) as caught:
        plan_edit("quant_rtn", plan, opened("gpt2"))
    assert caught.value.where == where
    assert caught.value.exit_code == 2


def test_every_width_is_tried_not_only_the_first(opened):
    # llama: gate and up take 32 inputs, down takes 48.
    with pytest.raises(ConfigError, match=r"32 does not divide the input width 48: module .*down_proj"):
        plan_edit("quant_rtn", {"group_size": 32}, opened("llama"))
    assert plan_edit("quant_rtn", {"group_size": 16}, opened("llama"))


def test_an_unknown_edit_lists_the_known_ones(opened):
    with pytest.raises(ConfigError, match="no edit is called 'quant_rtm'") as caught:
        plan_edit("quant_rtm", {}, opened("gpt2"))
    assert caught.value.where == "edit.name"
    assert "noop, quant_rtn" in caught.value.fix


def test_a_scope_that_the_model_lacks_is_refused(rewritten):
    with pytest.raises(ConfigError, match="no matrix of scope attn") as caught:
        plan_edit("quant_rtn", {"scope": "attn"}, rewritten("gpt2", layered(1)))
    assert caught.value.where == "edit.plan.scope"


def test_packed_weights_are_refused(rewritten):
    name = "model.layers.0.mlp.up_proj"
    base = rewritten("llama", lambda t: t | {f"{name}.weight": torch.ones(48, 32, dtype=torch.int8)})
    with pytest.raises(ModelError, match="stored as I8") as caught:
        plan_edit("quant_rtn", {}, base)
    assert caught.value.where == name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_matrices_are_edited_along_their_inputs_in_their_stored_dtype(dtype, rewritten):
    base = rewritten("gpt2", lambda t: {name: tensor.to(dtype) for name, tensor in t.items()})
    edit = plan_edit("quant_rtn", {"bitwidth": 4, "group_size": 16}, base)
    edited = EditedCheckpoint(base, edit)
    for entry in base.entries:
        before, after = base.read(entry.name), edited.read(entry.name)
        assert (after.dtype, after.shape, after.is_contiguous()) == (dtype, before.shape, True)
        if entry.name in edit.tensors:  # all are Conv1D: (in, out)
            expected = quant_rtn(before.T.float(), bitwidth=4, group_size=16).weight
            assert torch.equal(after, expected.T.to(dtype))
            assert not torch.equal(after, before)
        else:
            assert torch.equal(after, before)


def test_a_conv1d_and_a_linear_of_one_matrix_are_edited_alike(rewritten):
    shared = torch.randn(48, 32, generator=torch.Generator().manual_seed(3))  # (out, in)
    linear = rewritten("llama", lambda t: t | {"model.layers.0.mlp.up_proj.weight": shared})
    conv1d = rewritten("gpt2", lambda t: t | {"transformer.h.0.mlp.c_fc.weight": shared.T})
    plan = {"bitwidth": 3, "clamp_ratio": 0.1, "group_size": 8}
    results = []
    for base, name in ((linear, "model.layers.0.mlp.up_proj"), (conv1d, "transformer.h.0.mlp.c_fc")):
        edit = plan_edit("quant_rtn", {**plan, "module_selectors": [name]}, base)
        results.append(edit.apply(f"{name}.weight", base.read(f"{name}.weight")))
    assert torch.equal(results[0], results[1].T)


def test_fused_experts_are_edited_one_by_one(rewritten):
    name = "model.layers.0.mlp.experts.down_proj"
    fused = torch.randn(4, 32, 48, generator=torch.Generator().manual_seed(3))
    base = rewritten("mixtral", lambda t: t | {name: fused})
    edit = plan_edit(
        "quant_rtn", {"bitwidth": 4, "module_selectors": ["*experts.down_proj*"], "max_modules": 2}, base
    )
    assert edit.modules == (f"{name}[0]", f"{name}[1]")
    assert edit.tensors == (name,)
    edited = edit.apply(name, base.read(name))
    for expert in range(2):
        assert torch.equal(edited[expert], quant_rtn(fused[expert], bitwidth=4).weight)
    assert torch.equal(edited[2:], fused[2:])


def test_an_edit_is_its_plan(opened):
    base = opened("gpt2")
    one = plan_edit("quant_rtn", {}, base)
    assert one == plan_edit("quant_rtn", {"bitwidth": 8, "scope": "ffn", "module_selectors": []}, base)
    assert one.digest == PlannedEdit.model_validate_json(one.model_dump_json()).digest
    assert one.digest != plan_edit("quant_rtn", {"bitwidth": 7}, base).digest


def test_plans_are_read_without_torch():
    code = (
        "import sys, invarlock.edits.planned_edit, invarlock.edits.selection; print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "False\n"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_live_demo_model_is_left_bit_for_bit(dtype):
    base = open_checkpoint(DEMO)
    edit = plan_edit("quant_rtn", {"bitwidth": 2, "scope": "all"}, base)
    model = load_model(base, model_digest="d", dtype=dtype)
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    edited = EditedCheckpoint(base, edit)
    tensors = {name: edited.read(name) for name in edit.tensors}
    with applied(model, tensors, variant_digest="e"):
        live = model.module.state_dict()
        changed = {name for name in before if not torch.equal(live[name], before[name])}
        assert len(changed) == len(edit.tensors)
    for name, tensor in model.module.state_dict().items():
        width = {4: torch.int32, 2: torch.int16}[tensor.element_size()]
        assert torch.equal(tensor.view(width), before[name].view(width)), name
