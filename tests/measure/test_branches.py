"""Branch moments: against products made by hand, out of the pass that gives the loss."""

import math

import pytest
import torch

from invarlock.errors import MeasurementError, ModelError
from invarlock.measure.branches import measure_branches
from invarlock.measure.losses import measure_losses
from invarlock.measure.models import applied
from invarlock.measure.pass_meter import PASSES
from invarlock.measure.taps import taps_of
from invarlock.store.measurement_store import MeasurementStore
from tests.measure.random_windows import random_windows, windows_for
from tests.measure.tiny_models import BUILDERS


def _files(store, kind):
    return {path.name: path.read_bytes() for path in (store.root / kind).rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", BUILDERS)
def test_moments_are_those_of_input_times_weight(name, lively, opened, store):
    """The bias must be out of them: the product is made in float64 without one."""
    model, taps, windows = lively(name), taps_of(opened(name)), windows_for(name, 3)
    expected = []

    def multiply(module, inputs, output, tap):
        if hasattr(module, "weight"):
            weight = module.weight.double()
            branch = inputs[0].double() @ (weight if name == "gpt2" else weight.T)
            assert module.bias is None or not torch.allclose(branch.float(), output)
        else:
            assert tap.module.endswith(".mlp")  # a layer of experts has no single product
            branch = output.double()
        length = len(windows[0].tokens)
        if tap.module.startswith("decoder."):
            length = len(windows[len(expected) // len(taps)].labels)
        assert branch.numel() == length * 32
        expected.append((tap.module, float((branch**2).sum()) / branch.numel(), length))

    handles = [
        model.module.get_submodule(tap.module).register_forward_hook(
            lambda module, inputs, output, tap=tap: multiply(module, inputs, output, tap)
        )
        for tap in taps
    ]
    for window in windows:
        measure_losses(model, [window], MeasurementStore(store.root / "aside"))
    for handle in handles:
        handle.remove()
    record = measure_branches(model, windows, taps, store)
    assert [moments.window_id for moments in record.moments] == [window.id for window in windows]
    for i, moments in enumerate(record.moments):
        assert moments.tokens == 24
        of_window = expected[i * len(taps) : (i + 1) * len(taps)]
        by_hand = {module: moment for module, moment, _ in of_window}
        assert moments.second_moments == pytest.approx(by_hand, rel=1e-5)
        assert moments.positions == {module: length for module, _, length in of_window}
        assert min(by_hand.values()) > 0


def test_the_losses_are_the_entries_of_measure_losses(lively, opened, tmp_path):
    model, taps, windows = lively("gpt2"), taps_of(opened("gpt2")), random_windows(4)
    plain, both = MeasurementStore(tmp_path / "plain"), MeasurementStore(tmp_path / "both")
    losses = measure_losses(model, windows, plain)
    before = PASSES.total
    assert measure_branches(model, windows, taps, both).losses == losses
    assert PASSES.total - before == 4
    assert _files(both, "window_loss") == _files(plain, "window_loss")
    assert measure_losses(model, windows, both) == losses
    assert both.counts().written == {"window_loss": 4, "branch_moments": 4}


def test_only_what_is_missing_is_run_and_kept(lively, opened, store):
    model, taps, windows = lively("gpt2"), taps_of(opened("gpt2")), random_windows(5)
    measure_losses(model, windows[:2], store)
    before = PASSES.total
    first = measure_branches(model, [*windows, windows[0]], taps, store)
    assert PASSES.total - before == 5
    assert store.counts().written == {"window_loss": 5, "branch_moments": 5}
    assert measure_branches(model, [*windows, windows[0]], taps[::-1], MeasurementStore(store.root)) == first
    assert PASSES.total - before == 5
    measure_branches(model, windows[:1], taps[:2], store)
    assert PASSES.total - before == 6


@pytest.mark.usefixtures("two_threads")
def test_numbers_do_not_depend_on_what_runs_beside(lively, opened, tmp_path):
    model, taps, windows = lively("opt"), taps_of(opened("opt")), random_windows(6)
    together = measure_branches(model, windows, taps, MeasurementStore(tmp_path / "together"))
    alone = [
        measure_branches(model, [window], taps, MeasurementStore(tmp_path / window.id)).moments[0]
        for window in windows
    ]
    assert list(together.moments) == alone


@pytest.mark.parametrize("batch_size", [None, 4])
def test_a_decoder_is_measured_over_the_positions_of_the_labels(batch_size, lively, opened, store):
    taps, windows = taps_of(opened("t5")), windows_for("t5", 6)
    record = measure_branches(lively("t5"), windows, taps, store, batch_size=batch_size)
    for window, moments in zip(windows, record.moments, strict=True):
        decoder = {moments.positions[tap.module] for tap in taps if tap.module.startswith("decoder.")}
        encoder = {moments.positions[tap.module] for tap in taps if tap.module.startswith("encoder.")}
        assert (encoder, decoder, moments.tokens) == ({24}, {len(window.labels)}, 24)


@pytest.mark.parametrize("name", ["gpt2", "opt", "t5"])
def test_batches_agree_to_rounding(name, lively, opened, tmp_path):
    model, taps, windows = lively(name), taps_of(opened(name)), windows_for(name, 6)
    single = measure_branches(model, windows, taps, MeasurementStore(tmp_path / "a"))
    batched = measure_branches(model, windows, taps, MeasurementStore(tmp_path / "b"), batch_size=4)
    for one, other in zip(single.moments, batched.moments, strict=True):
        assert one.window_id == other.window_id
        assert one.second_moments == pytest.approx(other.second_moments, rel=1e-5)


def test_a_branch_that_is_not_finite_is_named_with_its_windows(lively, opened, store):
    model, taps, windows = lively("gpt2"), taps_of(opened("gpt2")), random_windows(1)
    infinite = {"h.1.attn.c_proj.weight": torch.full((32, 32), math.inf)}
    with (
        applied(model, infinite, variant_digest="infinite") as broken,
        pytest.raises(MeasurementError, match=r"transformer\.h\.1\.attn\.c_proj is not finite") as caught,
    ):
        measure_branches(broken, windows, taps, store)
    assert caught.value.where == f"windows {windows[0].id}"
    assert store.counts().written == {}


def test_taps_of_another_model_are_refused(lively, opened, store):
    with pytest.raises(ModelError, match=r"no branch model\.layers\.0\.self_attn\.o_proj"):
        measure_branches(lively("gpt2"), random_windows(1), taps_of(opened("llama")), store)
