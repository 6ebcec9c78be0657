"""A subject's weights against its baseline's: the same, edited in memory, saved by someone else, damaged."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.edits.plan import plan_edit
from invarlock.errors import ModelError
from invarlock.measure.arm_records import Part
from invarlock.measure.sigma_max import CONVERGED
from invarlock.measure.subject import measure_subject
from invarlock.measure.tensor_digest import digest_model
from invarlock.measure.variant import UNEDITED, measure_variant
from tests.measure.tiny_models import build

FFN = "transformer.h.1.mlp.c_fc"


@pytest.fixture
def changed(saved, tmp_path):
    """A copy of a tiny model whose tensors, and config, went through ``change``."""

    def copy(name, change, config=None):
        folder = shutil.copytree(saved(name), tmp_path / f"changed {name}")
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | (config or {})))
        return open_checkpoint(str(folder))

    return copy


@pytest.fixture
def measured(store):
    def measure(subject, baseline, edit=None):
        return measure_subject(
            subject,
            baseline,
            subject_digest=digest_model(subject).digest,
            baseline_digest=digest_model(baseline).digest,
            edit=edit,
            store=store,
            contract=CONVERGED,
        )

    return measure


def nothing(tensors):
    """No change."""


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "t5"])
def test_a_baseline_is_its_own_subject(name, measured, opened, store):
    base = opened(name)
    found = measured(base, base)
    assert found.failure is None
    assert found.variant == measure_variant(base, digest_model(base).digest, None, store, CONVERGED)
    assert found.variant.invariants == found.invariants


def test_a_copy_of_the_baseline_is_no_edit(measured, changed, opened):
    found = measured(changed("gpt2", nothing), opened("gpt2"))
    assert found.variant.edit == UNEDITED
    assert {drift.relative_change for drift in found.variant.drift.values()} == {0.0}


def test_a_subject_that_was_edited_elsewhere_is_set_against_the_baseline(measured, changed, opened):
    def grow(tensors):
        tensors[f"{FFN}.weight"] *= 1.25

    base, subject = opened("gpt2"), changed("gpt2", grow)
    found = measured(subject, base).variant
    digest = digest_model(subject).digest
    assert (found.edit.name, dict(found.edit.plan), found.edit.digest) == ("checkpoint", {}, digest)
    assert (found.weights.model_digest, found.baseline_digest) == (digest, digest_model(base).digest)
    assert found.errors == {}
    moved = {name: drift for name, drift in found.drift.items() if drift.relative_change}
    assert moved.keys() == {FFN}
    assert moved[FFN].relative_change == pytest.approx(0.25, rel=1e-6)
    before = torch.linalg.svdvals(build("gpt2").transformer.h[1].mlp.c_fc.weight.detach().double())[0]
    [after] = [module.sigma_max for module in found.weights.modules if module.name == FFN]
    assert after == pytest.approx(1.25 * float(before), rel=1e-4)


def test_an_edit_in_memory_is_of_the_subject_and_drift_from_the_baseline(measured, changed, opened):
    def grow(tensors):
        tensors["transformer.h.0.mlp.c_fc.weight"] *= 2

    base, subject = opened("gpt2"), changed("gpt2", grow)
    edit = plan_edit("quant_rtn", {"bitwidth": 4, "module_selectors": [FFN]}, subject)
    found = measured(subject, base, edit).variant
    assert found.edit.name == "quant_rtn"
    assert list(found.errors) == [FFN]
    moved = {name: drift.relative_change for name, drift in found.drift.items() if drift.relative_change}
    assert moved["transformer.h.0.mlp.c_fc"] == pytest.approx(1.0, rel=1e-6)
    assert moved[FFN] == pytest.approx(found.errors[FFN].relative_rmse, rel=1e-5)
    assert moved.keys() == {"transformer.h.0.mlp.c_fc", FFN}


def test_the_same_numbers_in_another_dtype_have_not_moved(measured, changed):
    def round_all(tensors):
        tensors.update({name: tensor.bfloat16().float() for name, tensor in tensors.items()})

    base = changed("llama", round_all)
    folder = shutil.copytree(base.root, base.root.parent / "bfloat16")
    save_file(
        {name: tensor.bfloat16() for name, tensor in load_file(folder / "model.safetensors").items()},
        folder / "model.safetensors",
    )
    found = measured(open_checkpoint(str(folder)), base).variant
    assert found.edit.name == "checkpoint"
    assert {drift.relative_change for drift in found.drift.values()} == {0.0}
    assert {drift.log_sigma for drift in found.drift.values()} == {0.0}


@pytest.mark.parametrize("tie", [True, False])
def test_a_broken_tie_leaves_no_drift_and_all_modules(tie, measured, changed, opened):
    def untie(tensors):
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"] * 1.5

    base = opened("gpt2")
    found = measured(changed("gpt2", untie, {"tie_word_embeddings": tie}), base)
    assert found.failure is None
    assert found.variant.drift == {}
    names = {module.name for module in found.variant.weights.modules}
    assert names - {module.name for module in measured(base, base).variant.weights.modules} == {"lm_head"}
    assert found.invariants.tied_groups in ((), (("transformer.wte",),))


def test_a_subject_that_is_not_finite_says_which_tensor(measured, changed, opened):
    def spoil(tensors):
        tensors["transformer.ln_f.bias"][3] = float("nan")
        tensors["transformer.wpe.weight"][0, 0] = float("inf")

    found = measured(changed("gpt2", spoil), opened("gpt2"))
    assert found.variant is None
    assert found.failure.part is Part.WEIGHTS
    assert found.failure.what == "NaN or infinity in 2 tensors of the subject"
    assert found.failure.where == "transformer.ln_f.bias, transformer.wpe.weight"
    assert found.invariants.nonfinite == ("transformer.ln_f.bias", "transformer.wpe.weight")


def test_a_baseline_that_is_not_finite_is_told_of_both(measured, changed, opened):
    def spoil(tensors):
        tensors["transformer.ln_f.bias"][3] = float("nan")

    base = changed("gpt2", spoil)
    own, subject = measured(base, base), measured(opened("gpt2"), base)
    assert (own.failure.what, own.failure.where) == (
        "NaN or infinity in 1 tensors of the subject",
        "transformer.ln_f.bias",
    )
    assert (subject.failure.what, subject.failure.where) == (
        "NaN or infinity in 1 tensors of the baseline",
        "transformer.ln_f.bias",
    )
    assert subject.variant is None
    assert subject.invariants.nonfinite == ()


def test_what_is_not_finite_is_not_edited(measured, changed):
    """The edit itself would be blamed: rounding NaN gives NaN."""

    def spoil(tensors):
        tensors[f"{FFN}.weight"][:] = float("nan")

    base = changed("gpt2", spoil)
    found = measured(base, base, plan_edit("quant_rtn", {"bitwidth": 4}, base))
    assert found.variant is None
    assert found.failure.where == f"{FFN}.weight"
    assert found.invariants.nonfinite == (f"{FFN}.weight",)


def test_an_erased_module_is_a_failure(measured, changed, opened):
    def erase(tensors):
        tensors[f"{FFN}.weight"][:] = 0

    found = measured(changed("gpt2", erase), opened("gpt2"))
    assert "zero matrix in the subject alone" in found.failure.what
    assert found.failure.where == FFN
    assert found.variant is None
    assert found.invariants.nonfinite == ()


def test_files_that_changed_since_they_were_hashed_are_refused(opened, store):
    base = opened("gpt2")
    with pytest.raises(ModelError, match="changed since"):
        measure_subject(
            base,
            base,
            subject_digest="0" * 64,
            baseline_digest=digest_model(base).digest,
            edit=None,
            store=store,
            contract=CONVERGED,
        )
