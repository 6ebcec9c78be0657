"""Variants: the base, a harmless edit, a planned one; whose digest is over what it changed."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.digests import digest_of
from invarlock.edits.benign import benign_edit
from invarlock.edits.plan import plan_edit
from invarlock.errors import ModelError
from invarlock.measure.sigma_max import CONVERGED
from invarlock.measure.tensor_digest import digest_model
from invarlock.measure.variant import UNEDITED, measure_variant
from tests.edits.installed_edits import install


@pytest.fixture
def measured(opened, store):
    def measure(plan, base=None, name="quant_rtn"):
        base = base or opened("gpt2")
        return measure_variant(base, digest_model(base).digest, plan_edit(name, plan, base), store, CONVERGED)

    return measure


def test_a_planned_edit_is_measured_with_its_errors(measured, opened):
    plan = {"bitwidth": 4, "module_selectors": ["*.h.1.*"]}
    base, subject = measured({}, name="noop"), measured(plan)
    assert (base.edit, dict(base.errors)) == (UNEDITED, {})
    modules = ["transformer.h.1.mlp.c_fc", "transformer.h.1.mlp.c_proj"]
    assert subject.edit.name == "quant_rtn"
    assert subject.edit.plan == {
        "bitwidth": 4,
        "per_channel": True,
        "group_size": None,
        "clamp_ratio": 0.0,
        "scope": "ffn",
        "max_modules": None,
        "module_selectors": ["*.h.1.*"],
        "seed": None,
        "modules": modules,
    }
    assert list(subject.errors) == modules
    before, after = (
        {module.name: module.tensor_sha256 for module in side.weights.modules} for side in (base, subject)
    )
    changed = {name: sha256 for name, sha256 in after.items() if sha256 != before[name]}
    assert sorted(changed) == modules
    assert subject.edit.digest == digest_of(changed)
    for module, error in subject.errors.items():
        assert error.relative_rmse == pytest.approx(subject.drift[module].relative_change, rel=1e-5)
    assert subject.baseline_digest == base.weights.model_digest != subject.weights.model_digest


def test_plans_of_the_same_weights_have_one_digest(measured):
    one = measured({"bitwidth": 4, "module_selectors": ["*.h.0.mlp.c_fc"]})
    same = measured({"bitwidth": 4, "group_size": 32, "max_modules": 1})  # one group of 32 is the channel
    other = measured({"bitwidth": 5, "module_selectors": ["*.h.0.mlp.c_fc"]})
    assert one.edit.plan != same.edit.plan
    assert one.edit.digest == same.edit.digest != other.edit.digest


def on_levels(saved, tmp_path, which):
    """GPT-2 whose matrices named ``which`` are on the 7 levels of 3 bits, exactly."""
    folder = shutil.copytree(saved("gpt2"), tmp_path / "levels")
    tensors = load_file(folder / "model.safetensors")
    for name in tensors:
        if name.endswith(f"{which}.weight"):
            codes = torch.randint(-3, 4, tensors[name].shape, generator=torch.Generator().manual_seed(1))
            codes[0] = 3
            tensors[name] = codes.float() * 0.25
    save_file(tensors, folder / "model.safetensors")
    return open_checkpoint(str(folder))


def test_an_edit_that_changes_nothing_is_refused(measured, saved, tmp_path):
    base = on_levels(saved, tmp_path, "mlp.c_fc")
    with pytest.raises(ModelError, match="quant_rtn changes no bit of the 2 modules") as caught:
        measured({"bitwidth": 3, "module_selectors": ["*c_fc"]}, base)
    assert "stronger" in caught.value.fix


def test_modules_that_an_edit_leaves_are_not_in_its_digest(measured, saved, tmp_path):
    base = on_levels(saved, tmp_path, "mlp.c_fc")
    whole, part = (
        measured({"bitwidth": 3}, base),
        measured({"bitwidth": 3, "module_selectors": ["*c_proj"]}, base),
    )
    assert len(whole.errors) == 4
    assert whole.errors["transformer.h.0.mlp.c_fc"].max_abs == 0.0
    assert whole.edit.digest == part.edit.digest


def test_an_edit_that_is_not_repeatable_is_refused(measured, tmp_path, monkeypatch):
    code = """
import torch
from invarlock.edits.edited_matrix import EditedMatrix

def dice(weight: torch.Tensor) -> EditedMatrix:
    return EditedMatrix(weight + torch.randn_like(weight))
"""
    install(tmp_path, monkeypatch, "dice_package", code)
    with pytest.raises(ModelError, match="dice gives other weights each time") as caught:
        measured({}, name="dice")
    assert caught.value.where == "transformer.h.0.mlp.c_fc"


def test_a_harmless_edit_is_known_by_what_was_asked_and_may_change_nothing(opened, store):
    base = opened("gpt2")
    digest = digest_model(base).digest
    edit = benign_edit(4, base.entries, digest)
    subject = measure_variant(base, digest, edit, store, CONVERGED)
    assert subject.edit.digest == edit.digest
    assert subject.edit.name == f"benign:{edit.kind}"
    assert subject.errors == {}
    nothing = edit.model_copy(update={"tensors": ()})
    assert measure_variant(base, digest, nothing, store, CONVERGED).weights.model_digest == digest


def test_weights_that_are_others_now_are_refused(opened, store):
    with pytest.raises(ModelError, match="changed since"):
        measure_variant(opened("gpt2"), "0" * 64, None, store, CONVERGED)
