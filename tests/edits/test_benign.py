import json

import pytest
import torch
from safetensors.torch import save_file
from scipy import stats

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.edits.benign import KINDS_BY_DTYPE, apply_edit, benign_edit
from invarlock.edits.benign_records import BenignEdit
from invarlock.edits.overlay import EditedCheckpoint
from invarlock.errors import ModelError

SEEDS = range(60)
BASE = "ab" * 32


def save(folder, dtype, *, through=None):
    """A real checkpoint of four matrices, an expert stack, a norm and a token table."""
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "a.weight": (24, 64),
        "b.weight": (64, 24),
        "c.weight": (16, 40),
        "experts": (2, 8, 32),
        "norm": (24,),
    }
    tensors = {name: torch.randn(shape, generator=generator) * 0.05 for name, shape in shapes.items()}
    tensors = {name: t.to(through or dtype).to(dtype) for name, t in tensors.items()}
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    save_file(tensors | {"ids": torch.arange(12).reshape(3, 4)}, folder / "model.safetensors")
    return open_checkpoint(str(folder))


def changed(base, edit) -> set[str]:
    edited = EditedCheckpoint(base, edit)
    return {entry.name for entry in base.entries if not edited.read(entry.name).equal(base.read(entry.name))}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_every_seed_changes_its_matrices_a_little_and_nothing_else(tmp_path, dtype):
    base = save(tmp_path, dtype)
    kinds = set()
    for seed in SEEDS:
        edit = benign_edit(seed, base.entries, BASE)
        kinds.add(edit.kind)
        assert changed(base, edit) == set(edit.tensors)
        assert edit.tensors
        assert not set(edit.tensors) & {"norm", "ids"}
        for name in edit.tensors:
            before, after = base.read(name), EditedCheckpoint(base, edit).read(name)
            assert (after.dtype, after.shape) == (before.dtype, before.shape)
            assert (after.float() - before.float()).norm() < 0.02 * before.float().norm()
    assert kinds == set(KINDS_BY_DTYPE[dtype])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_seeds_differ_in_digest_and_in_weights(tmp_path, dtype):
    base = save(tmp_path, dtype)
    edits = [benign_edit(seed, base.entries, BASE) for seed in SEEDS]
    results = set()
    for edit in edits:
        edited = EditedCheckpoint(base, edit)
        results.add(tuple(edited.read(e.name).double().sum().item() for e in base.entries))
    digests = {edit.digest for edit in edits}
    # One digest is one result. The other way round some agree, such as group sizes that divide no row here.
    # Five matrices have few subsets: 49 to 53 results of 60 seeds on twelve bases.
    assert 0.75 * len(edits) < len(results) <= len(digests)


def test_a_seed_is_its_edit_whatever_the_order_of_reading(tmp_path):
    base = save(tmp_path, torch.float32)
    for seed in SEEDS:
        first, second = benign_edit(seed, base.entries, BASE), benign_edit(seed, base.entries, BASE)
        assert first == second
        assert first.digest == second.digest
        assert BenignEdit.model_validate_json(first.model_dump_json()).digest == first.digest
        forward = {name: first.apply(name, base.read(name)) for name in first.tensors}
        for name in reversed(first.tensors):
            assert apply_edit(second, name, base.read(name)).equal(forward[name])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_seed_on_two_bases_is_two_independent_draws(tmp_path, dtype):
    base = save(tmp_path, dtype)
    pairs = [[benign_edit(seed, base.entries, digest) for digest in (BASE, "cd" * 32)] for seed in SEEDS]
    kinds = len(KINDS_BY_DTYPE[dtype])
    same_kind = sum(one.kind == other.kind for one, other in pairs)
    assert stats.binomtest(same_kind, len(pairs), 1 / kinds).pvalue > 0.001
    assert sum(len(one.tensors) == len(other.tensors) for one, other in pairs) < len(pairs) / 2


def test_random_kinds_of_one_seed_draw_other_numbers_on_another_base(tmp_path):
    base = save(tmp_path, torch.bfloat16)
    ones, others = (
        [benign_edit(seed, base.entries, digest) for seed in SEEDS] for digest in (BASE, "cd" * 32)
    )
    noisy = [pair for pair in zip(ones, others, strict=True) if {e.kind for e in pair} == {"ulp_noise"}]
    shared = [(one, other, n) for one, other in noisy for n in set(one.tensors) & set(other.tensors)]
    assert shared
    for one, other, name in shared:
        assert one.digest != other.digest
        assert not one.apply(name, base.read(name)).equal(other.apply(name, base.read(name)))


def test_float32_weights_that_were_bfloat16_are_left_by_that_round_trip(tmp_path):
    base = save(tmp_path, torch.float32, through=torch.bfloat16)
    by_kind = {edit.kind: edit for edit in (benign_edit(seed, base.entries, BASE) for seed in SEEDS)}
    # Why a run counts by the digest of its weights and not by the name of its edit.
    assert changed(base, by_kind["bf16_round_trip"]) == set()
    assert changed(base, by_kind["ulp_noise"]) == set(by_kind["ulp_noise"].tensors)


def test_the_overlay_is_a_tensor_source_and_leaves_the_base_alone(tmp_path):
    base = save(tmp_path, torch.float32)
    before = {entry.name: base.read(entry.name) for entry in base.entries}
    edit = benign_edit(3, base.entries, BASE)
    edited = EditedCheckpoint(base, edit)
    assert (edited.config, edited.model_type, edited.entries) == (base.config, base.model_type, base.entries)
    for entry in edited.entries:
        edited.read(entry.name)
        assert base.read(entry.name).equal(before[entry.name])


def test_a_checkpoint_without_editable_matrices_is_refused(tmp_path):
    base = save(tmp_path, torch.float32)
    with pytest.raises(ModelError, match="harmless"):
        benign_edit(0, [entry for entry in base.entries if entry.name in ("norm", "ids")], BASE)
