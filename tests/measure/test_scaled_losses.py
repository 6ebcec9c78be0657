"""Losses of scale sets: with a shared prefix the same bits as whole passes, each once, side by side."""

from fractions import Fraction
from threading import Barrier

import pytest

from invarlock.checkpoints.architectures import ARCHITECTURES
from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.data.windows import make_window
from invarlock.errors import MeasurementError, ModelError
from invarlock.measure.branch_records import VirtualScales
from invarlock.measure.losses import measure_losses, run_windows
from invarlock.measure.models import load_model
from invarlock.measure.pass_meter import PASSES
from invarlock.measure.scaled_losses import ScaledRequest, measure_scaled
from invarlock.measure.side_by_side import twin
from invarlock.measure.taps import taps_of
from invarlock.measure.virtual_scales import scaled
from invarlock.progress import reporting_to
from invarlock.store.measurement_store import MeasurementStore
from tests.measure.random_windows import random_windows, windows_for
from tests.measure.tiny_models import BUILDERS

FFN = "transformer.h.{}.mlp.c_proj"


def _scales(*paths, factor=0.9):
    return VirtualScales(factors=dict.fromkeys(paths, factor))


def _whole(model, scales, windows):
    with scaled(model, scales):
        return tuple(run_windows(model, [window])[0] for window in windows)


@pytest.mark.usefixtures("one_thread")  # how many threads a pass has can change its last bits
@pytest.mark.parametrize("name", BUILDERS)
def test_sharing_changes_no_bit(name, lively, opened, store):
    """Two sets depart at block 1, one at 0, one at both; the T5 shares nothing."""
    model, windows, taps = lively(name), tuple(windows_for(name, 2)), taps_of(opened(name))
    first = [tap.module for tap in taps if tap.block == 0]
    second = [tap.module for tap in taps if tap.block == 1]
    sets = [
        _scales(first[0]),
        _scales(second[0]),
        _scales(*second, factor=1.1),
        _scales(first[-1], second[0]),
    ]
    before = PASSES.total
    measured = measure_scaled(model, [ScaledRequest(scales, windows) for scales in sets], store)
    assert PASSES.total - before == 2 * (4 if name == "t5" else Fraction(7, 2))
    assert bool(ARCHITECTURES[name].stack) == (name != "t5")
    for scales, result in zip(sets, measured, strict=True):
        assert result.scales == scales
        assert result.losses == _whole(model, scales, windows)
    assert len({result.losses for result in measured}) == 4


@pytest.fixture(scope="module")
def four_blocks():
    return load_model(open_checkpoint("bundled:pydocs-gpt2"), model_digest="demo")


@pytest.mark.usefixtures("one_thread")
def test_every_block_can_be_departed_from(four_blocks, store):
    windows = tuple(make_window(window.tokens * 7) for window in random_windows(2, length=64))
    sets = [_scales(FFN.format(block)) for block in (2, 0, 3, 1, 2)] + [
        _scales("transformer.h.2.attn.c_proj")
    ]
    before = PASSES.total
    measured = measure_scaled(four_blocks, [ScaledRequest(scales, windows) for scales in sets], store)
    # The set of block 3 runs whole; blocks 2 (two distinct sets), 1 and 0 resume.
    assert PASSES.total - before == 2 * (1 + 2 * Fraction(2, 4) + Fraction(3, 4) + 1)
    for scales, result in zip(sets, measured, strict=True):
        assert result.losses == _whole(four_blocks, scales, windows)


def test_each_set_and_window_runs_once_ever(lively, store):
    model, windows = lively("gpt2"), tuple(random_windows(4))
    one, other = _scales(FFN.format(0)), _scales(FFN.format(1))
    requests = [
        ScaledRequest(one, windows[:2]),
        ScaledRequest(other, windows[1:3]),
        ScaledRequest(one, windows[1::-1]),
    ]
    before = PASSES.total
    first = measure_scaled(model, requests, store)
    assert [[loss.window_id for loss in result.losses] for result in first] == [
        [window.id for window in request.windows] for request in requests
    ]
    assert store.counts().written == {"window_loss": 4}
    assert PASSES.total - before == 4  # block 0 has no prefix to share
    again = MeasurementStore(store.root)
    assert measure_scaled(model, requests, again) == first
    assert PASSES.total - before == 4
    assert again.counts().written == {}
    measure_scaled(model, [ScaledRequest(one, windows[:3])], store)
    assert PASSES.total - before == 5
    assert measure_losses(model, windows[:2], store) != first[0].losses


def test_progress_counts_windows_of_every_set(lively, store):
    told = []

    class Reporter:
        def announce(self, stage, total):
            told.append((stage, total))

        def advance(self, stage, units):
            told.append((stage, -units))

    windows = tuple(random_windows(3))
    requests = [ScaledRequest(_scales(FFN.format(block)), windows) for block in (0, 1)]
    with reporting_to(Reporter()):
        measure_scaled(lively("gpt2"), requests, store)
    assert told == [("windows", 6), ("windows", -2), ("windows", -2), ("windows", -2)]


@pytest.mark.usefixtures("two_threads")
def test_passes_side_by_side_do_not_see_each_others_scales(lively, store):
    """Both passes are inside the model before either goes on."""
    model, windows = lively("gpt2"), random_windows(2)
    sets = [_scales(FFN.format(0)), _scales(FFN.format(0), FFN.format(1), factor=1.1)]
    expected = [_whole(model, scales, [window]) for scales, window in zip(sets, windows, strict=True)]
    both_inside = Barrier(2, timeout=10)

    def meet(_module, _inputs, _output):
        both_inside.wait()

    with model.module.transformer.wte.register_forward_hook(meet):
        requests = [ScaledRequest(scales, (window,)) for scales, window in zip(sets, windows, strict=True)]
        measured = measure_scaled(model, requests, store)
    assert [result.losses for result in measured] == expected


@pytest.mark.parametrize("name", BUILDERS)
def test_a_twin_shares_tensors_and_not_hooks(name, lively):
    model = lively(name)
    other = twin(model)
    for kind in ("named_parameters", "named_buffers"):
        mine, twins = dict(getattr(model.module, kind)()), dict(getattr(other.module, kind)())
        assert mine.keys() == twins.keys()
        assert all(tensor is twins[path] for path, tensor in mine.items())
    assert not set(map(id, model.module.modules())) & set(map(id, other.module.modules()))
    windows = windows_for(name, 1)
    assert run_windows(other, windows) == run_windows(model, windows)


@pytest.mark.parametrize("path", ["transformer.h.7.mlp.c_proj", "transformer.h.0.mlp.c_fc", "lm_head"])
def test_only_branches_of_the_model_are_scaled(path, lively, store):
    with pytest.raises(ModelError, match="no branch") as caught:
        measure_scaled(lively("gpt2"), [ScaledRequest(_scales(path), tuple(random_windows(1)))], store)
    assert path in str(caught.value)


def test_a_loss_that_is_not_finite_names_its_window(lively, store):
    windows = tuple(random_windows(1))
    request = ScaledRequest(_scales(FFN.format(1), factor=1e38), windows)
    with pytest.raises(MeasurementError, match="not finite") as caught:
        measure_scaled(lively("gpt2"), [request], store)
    assert caught.value.where == f"windows {windows[0].id}"
    assert store.counts().written == {}


def test_batches_agree_to_rounding(lively, tmp_path):
    model, windows = lively("gpt2"), tuple(random_windows(5) + random_windows(3, length=11, seed=1))
    requests = [ScaledRequest(_scales(FFN.format(block)), windows) for block in (0, 1)]
    single = measure_scaled(model, requests, MeasurementStore(tmp_path / "a"))
    batched = measure_scaled(model, requests, MeasurementStore(tmp_path / "b"), batch_size=4)
    for one, other in zip(single, batched, strict=True):
        assert [x.window_id for x in one.losses] == [x.window_id for x in other.losses]
        assert [x.nll for x in one.losses] == pytest.approx([x.nll for x in other.losses], rel=1e-5)
