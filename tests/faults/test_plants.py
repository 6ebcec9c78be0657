"""Each plant changes what it says and nothing else, by the numbers of numpy and torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.faults.anatomy import GPT2, LLAMA, Anatomy
from benchmarks.faults.plants import (
    Tensors,
    exchanged,
    heads_zeroed,
    noise_added,
    poisoned,
    pruned,
    rank_cut,
    rank_one_added,
    rounded,
    rows_permuted,
    scaled,
    transposed,
    untied,
)
from benchmarks.faults.subjects import Subject, faults, harmless
from invarlock.home import shipped

OUTPUT = "transformer.h.1.attn.c_proj.weight"
NARROWING = "transformer.h.1.mlp.c_proj.weight"
SUBJECTS = (*faults(GPT2), *harmless(GPT2))


@pytest.fixture(scope="module")
def demo() -> Tensors:
    return load_file(shipped("models/pydocs-gpt2/model.safetensors"))


@pytest.fixture(scope="module")
def wide(demo: Tensors) -> Tensors:
    """The demo's tensors in float32: what is planted is not rounded again."""
    return {name: tensor.float() for name, tensor in demo.items()}


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Shape, dtype and bytes."""
    if one is other:
        return True
    bits = (each.contiguous().view(torch.uint8) for each in (one, other))
    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(*bits)


def moved(before: Tensors, after: Tensors) -> set[str]:
    """Names of what is new, gone, or of other bits."""
    both = before.keys() & after.keys()
    same = {name for name in both if same_bits(before[name], after[name])}
    return (before.keys() | after.keys()) - same


def named(subject: Subject) -> str:
    return f"{subject.name}, {subject.strength}"


@pytest.fixture(scope="module")
def planted(demo: Tensors) -> dict[str, Tensors]:
    """What every subject makes of the demo's tensors."""
    return {named(subject): subject.plant(demo) for subject in SUBJECTS}


def test_the_input_stays(demo: Tensors, planted: dict[str, Tensors]) -> None:
    assert len(planted) == len(SUBJECTS)
    assert not moved(load_file(shipped("models/pydocs-gpt2/model.safetensors")), demo)


@pytest.mark.parametrize("subject", SUBJECTS, ids=named)
def test_shapes_and_dtypes_stay(subject: Subject, demo: Tensors, planted: dict[str, Tensors]) -> None:
    after = planted[named(subject)]
    assert all(after[name].shape == demo[name].shape and after[name].is_contiguous() for name in demo)
    if not subject.strength.startswith("as "):
        assert all(after[name].dtype == demo[name].dtype for name in demo)


@pytest.mark.parametrize("subject", faults(GPT2), ids=named)
def test_every_fault_changes_something(subject: Subject, demo: Tensors, planted: dict[str, Tensors]) -> None:
    assert moved(demo, planted[named(subject)])


DRAWN = ("rows permuted", "one direction added", "noise on one layer", "tied embedding broken", "one unit")


@pytest.mark.parametrize("subject", [each for each in SUBJECTS if each.name.startswith(DRAWN)], ids=named)
def test_a_draw_repeats(subject: Subject, demo: Tensors, planted: dict[str, Tensors]) -> None:
    assert not moved(planted[named(subject)], subject.plant(demo))


@pytest.mark.parametrize(("model", "tensors"), [(GPT2, "demo"), (LLAMA, "llama")], ids=["gpt2", "llama"])
def test_anatomy_names_what_the_checkpoint_holds(
    model: Anatomy, tensors: str, request: pytest.FixtureRequest
) -> None:
    held = set(request.getfixturevalue(tensors))
    parts = {*model.of(model.matrices), *model.of(model.biases), *model.of(model.gains)}
    tables = {model.embedding, model.last_gain} | (set() if model.tied else {model.head})
    assert parts | tables <= held
    assert {name for name in held if name.startswith(model.blocks)} - {
        name for name in held if name.endswith("bias")
    } == {name for name in parts if not name.endswith("bias")}
    assert {model.output, model.narrowing} <= set(model.matrices)


@pytest.fixture(scope="module")
def llama() -> Tensors:
    """Of the architecture's class at the size that is trained, without training it."""
    from transformers import LlamaForCausalLM

    from benchmarks.faults.llama import llama_config

    return dict(LlamaForCausalLM(llama_config(4096, 192)).state_dict())


def test_strengths_grow(demo: Tensors, planted: dict[str, Tensors]) -> None:
    energies: dict[str, list[float]] = {}
    for subject in faults(GPT2):
        if subject.name not in ("layers exchanged", "one NaN"):
            energies.setdefault(subject.name, []).append(energy(demo, planted[named(subject)]))
    assert len(energies) > 12
    assert [name for name, each in energies.items() if (np.diff(each) <= 0).any() or len(each) < 2] == []


def energy(before: Tensors, after: Tensors) -> float:
    """Sum of squares of what was changed; of a head that is new, against the embedding."""
    changed = {name: before.get(name, before[GPT2.embedding]) for name in moved(before, after)}
    return sum(float((after[name] - was).double().square().sum()) for name, was in changed.items())


def test_scaled(wide: Tensors) -> None:
    after = scaled(wide, [OUTPUT], 1.5)
    assert moved(wide, after) == {OUTPUT}
    np.testing.assert_array_equal(after[OUTPUT].numpy(), wide[OUTPUT].numpy() * np.float32(1.5))


@pytest.mark.parametrize(
    "plant",
    [lambda tensors: rows_permuted(tensors, [OUTPUT], 3), lambda tensors: transposed(tensors, [OUTPUT])],
)
def test_order_alone_keeps_numbers_and_singular_values(
    plant: Callable[[Tensors], Tensors], demo: Tensors
) -> None:
    after = plant(demo)
    assert moved(demo, after) == {OUTPUT}
    one, other = demo[OUTPUT].numpy(), after[OUTPUT].numpy()
    np.testing.assert_array_equal(np.sort(one, axis=None), np.sort(other, axis=None))
    spectra = [np.linalg.svd(matrix.astype(np.float64), compute_uv=False) for matrix in (one, other)]
    np.testing.assert_allclose(*spectra, rtol=1e-9)


def test_rows_move_whole_and_few_stay_where_they_were(demo: Tensors) -> None:
    before, after = (each[OUTPUT].numpy() for each in (demo, rows_permuted(demo, [OUTPUT], 3)))
    assert {row.tobytes() for row in before} == {row.tobytes() for row in after}
    assert (before == after).all(axis=1).sum() < 10


def test_transposed(demo: Tensors) -> None:
    np.testing.assert_array_equal(transposed(demo, [OUTPUT])[OUTPUT].numpy(), demo[OUTPUT].numpy().T)


@pytest.mark.parametrize("inputs_first", [True, False])
def test_a_zeroed_head_gives_nothing_and_the_others_what_they_gave(
    demo: Tensors, wide: Tensors, inputs_first: bool
) -> None:
    after = heads_zeroed(wide, OUTPUT, [0, 4], width=32, inputs_first=inputs_first)
    assert moved(wide, after) == {OUTPUT}
    mixed = torch.randn(7, 192, generator=torch.Generator().manual_seed(1))  # what the heads hand on
    kept = mixed.clone()
    kept[:, :32] = kept[:, 128:160] = 0

    def project(inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return inputs @ weight if inputs_first else torch.nn.functional.linear(inputs, weight)

    torch.testing.assert_close(project(mixed, after[OUTPUT]), project(kept, wide[OUTPUT]))


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_rounded_outputs_have_few_levels_each_within_half_a_step(wide: Tensors, bits: int) -> None:
    after = rounded(wide, [NARROWING], bits, inputs_first=True)
    assert moved(wide, after) == {NARROWING}
    before, levels = wide[NARROWING].numpy(), after[NARROWING].numpy()
    half_steps = np.abs(before).max(axis=0) / (2 ** (bits - 1) - 1) / 2
    assert max(len(np.unique(column)) for column in levels.T) <= 2**bits - 1
    assert (np.abs(levels - before) <= half_steps * 1.001).all()


def test_one_direction_of_the_energy_that_was_asked(wide: Tensors) -> None:
    after = rank_one_added(wide, NARROWING, 0.05, seed=5)
    assert moved(wide, after) == {NARROWING}
    added = np.linalg.svd(
        after[NARROWING].double().numpy() - wide[NARROWING].double().numpy(), compute_uv=False
    )
    assert added[0] == pytest.approx(0.05 * np.linalg.norm(wide[NARROWING].numpy()), rel=1e-4)
    assert added[1] < 1e-4 * added[0]  # float32 keeps no exact rank


def test_noise_has_the_energy_that_was_asked(wide: Tensors) -> None:
    after = noise_added(wide, [NARROWING], 0.3, seed=5)
    assert moved(wide, after) == {NARROWING}
    share = np.linalg.norm(after[NARROWING] - wide[NARROWING]) / np.linalg.norm(wide[NARROWING])
    assert share == pytest.approx(0.3, rel=0.01)


def test_pruned_are_the_smallest(wide: Tensors) -> None:
    after = pruned(wide, [NARROWING], 0.6)[NARROWING].numpy()
    before = wide[NARROWING].numpy()
    assert (after == 0).mean() == pytest.approx(0.6, abs=1e-3)
    assert np.abs(before[after == 0]).max() < np.abs(after[after != 0]).min()
    np.testing.assert_array_equal(after[after != 0], before[after != 0])


def test_rank_cut_is_the_nearest_of_that_rank(wide: Tensors) -> None:
    before, after = (each[OUTPUT].double().numpy() for each in (wide, rank_cut(wide, [OUTPUT], 24)))
    values = np.linalg.svd(before, compute_uv=False)
    assert np.linalg.matrix_rank(after, tol=1e-4) == 24
    # Eckart and Young: what is lost are the smallest singular values.
    assert np.linalg.norm(after - before) == pytest.approx(np.linalg.norm(values[24:]), rel=1e-4)


def test_exchanged_blocks_and_nothing_else(demo: Tensors) -> None:
    one, other = "transformer.h.0.", "transformer.h.3."
    after = exchanged(demo, one, other)
    assert moved(demo, after) <= {name for name in demo if name.startswith((one, other))}
    for name in demo:
        if name.startswith(one):
            assert torch.equal(after[name], demo[other + name.removeprefix(one)])
            assert torch.equal(after[other + name.removeprefix(one)], demo[name])


def test_an_untied_head_is_stored_apart_and_the_embedding_stays(demo: Tensors) -> None:
    after = untied(demo, GPT2.embedding, GPT2.head, 0.5, seed=0)
    assert moved(demo, after) == {GPT2.head}
    table = demo[GPT2.embedding].float()
    share = (after[GPT2.head].float() - table).norm() / table.norm()
    assert float(share) == pytest.approx(0.5, rel=0.01)


def test_one_element_is_nan(demo: Tensors) -> None:
    after = poisoned(demo, OUTPUT)
    assert moved(demo, after) == {OUTPUT}
    assert int(after[OUTPUT].isnan().sum()) == 1
    assert int((after[OUTPUT] == demo[OUTPUT]).sum()) == demo[OUTPUT].numel() - 1
