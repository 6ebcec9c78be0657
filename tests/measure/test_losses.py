"""Window losses: against transformers' own loss, once per window, the same whatever runs beside them."""

import sys
import time

import numpy as np
import pytest
import torch

from invarlock.data.masking import mask_window
from invarlock.data.windows import make_window
from invarlock.errors import DataError, MeasurementError
from invarlock.measure.losses import loss_key, measure_losses, run_windows
from invarlock.measure.models import applied
from invarlock.store.measurement_store import MeasurementStore
from tests.measure.random_windows import random_windows
from tests.measure.tiny_models import VOCABULARY, build


def _tensor(values):
    return torch.tensor(np.asarray(values), dtype=torch.long)[None]


@pytest.mark.parametrize("name", ["gpt2", "llama", "mixtral", "opt", "gpt_neox"])
def test_causal_losses_are_those_of_transformers(name, loaded, store):
    windows = random_windows(3)
    for window, loss in zip(windows, measure_losses(loaded(name), windows, store), strict=True):
        ids = _tensor(window.tokens)
        with torch.no_grad():
            mean = build(name)(input_ids=ids, labels=ids).loss
        assert loss.tokens == len(window.tokens) - 1
        assert loss.nll / loss.tokens == pytest.approx(float(mean), rel=1e-5)


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert"])
def test_masked_losses_are_those_of_transformers(name, loaded, store):
    windows = random_windows(3)
    for window, loss in zip(windows, measure_losses(loaded(name), windows, store), strict=True):
        inputs, labels = mask_window(window, mask_id=4, vocab_size=VOCABULARY, special_ids=[0, 1, 2, 3, 4])
        with torch.no_grad():
            mean = build(name)(input_ids=_tensor(inputs), labels=_tensor(labels)).loss
        assert loss.tokens == (labels != -100).sum() > 0
        assert loss.nll / loss.tokens == pytest.approx(float(mean), rel=1e-5)


def test_pair_losses_are_those_of_transformers(loaded, store):
    windows = random_windows(4, labels=6)
    for window, loss in zip(windows, measure_losses(loaded("t5"), windows, store), strict=True):
        with torch.no_grad():
            mean = build("t5")(input_ids=_tensor(window.tokens), labels=_tensor(window.labels)).loss
        assert loss.tokens == len(window.labels)
        assert loss.nll / loss.tokens == pytest.approx(float(mean), rel=1e-5)


def test_each_window_runs_once_ever(loaded, store):
    model, windows = loaded("gpt2"), random_windows(6)
    first = measure_losses(model, [*windows[:4], windows[0]], store)
    assert store.counts().written == {"window_loss": 4}
    assert [loss.window_id for loss in first] == [w.id for w in [*windows[:4], windows[0]]]
    assert measure_losses(model, windows, store)[:4] == first[:4]
    assert store.counts().written == {"window_loss": 6}
    again = MeasurementStore(store.root)
    measure_losses(model, windows, again)
    assert again.counts().written == {}


def test_bytes_do_not_depend_on_order_company_or_interruption(loaded, tmp_path):
    """Default batches on a CPU: any order, any split of the work, bit for bit."""
    model, windows = loaded("gpt2"), random_windows(9)
    whole = {x.window_id: x for x in measure_losses(model, windows, MeasurementStore(tmp_path / "whole"))}
    store = MeasurementStore(tmp_path / "pieces")
    for piece in (windows[7:3:-1], windows[:2], windows):
        assert all(whole[x.window_id] == x for x in measure_losses(model, piece, store))


def test_a_key_reads_no_file(loaded):
    """Thousands are made in a sweep; reading the metadata of installed packages for each took a third of its time."""
    model, (first, *others) = loaded("gpt2"), random_windows(3)
    loss_key(model, first, 1)  # what it looks up once a process
    opened = []
    watching = True
    sys.addaudithook(lambda event, told: opened.append(told) if watching and event == "open" else None)
    keys = {loss_key(model, window, 1).digest for window in others}
    watching = False  # a hook stays for good
    assert len(keys) == 2
    assert opened == []


@pytest.mark.usefixtures("two_threads")
def test_passes_behind_a_slow_one_are_stored_as_they_end(loaded, store):
    model, windows = loaded("gpt2"), random_windows(6)
    stored_meanwhile = []

    def delay_the_first(_module, _args, kwargs):
        if kwargs["input_ids"].tolist() == [windows[0].tokens.tolist()]:
            deadline = time.monotonic() + 5
            while store.counts().written.get("window_loss", 0) < 3 and time.monotonic() < deadline:
                time.sleep(0.005)
            stored_meanwhile.append(store.counts().written.get("window_loss", 0))

    with model.module.register_forward_pre_hook(delay_the_first, with_kwargs=True):
        losses = measure_losses(model, windows, store)
    assert stored_meanwhile[0] >= 3
    assert [loss.window_id for loss in losses] == [window.id for window in windows]


@pytest.mark.parametrize("name", ["gpt2", "bert", "t5"])
def test_batches_agree_to_rounding_and_pad_nothing(name, loaded, tmp_path):
    model = loaded(name)
    windows = random_windows(5) + random_windows(3, length=11, seed=1)
    if name == "t5":
        windows = random_windows(7, labels=5)
    single = measure_losses(model, windows, MeasurementStore(tmp_path / "a"), batch_size=1)
    batched = measure_losses(model, windows, MeasurementStore(tmp_path / "b"), batch_size=4)
    assert [x.nll for x in batched] == pytest.approx([x.nll for x in single], rel=1e-5)
    assert [(x.window_id, x.tokens) for x in batched] == [(x.window_id, x.tokens) for x in single]


def test_variants_and_dtypes_do_not_share_losses(loaded, store):
    model, windows = loaded("gpt2"), random_windows(2)
    plain = measure_losses(model, windows, store)
    with applied(model, {"wpe.weight": torch.zeros(64, 32)}, variant_digest="edited") as variant:
        edited = measure_losses(variant, windows, store)
    assert all(a.nll != b.nll for a, b in zip(plain, edited, strict=True))
    assert measure_losses(model, windows, store) == plain
    assert store.counts().written["window_loss"] == 4


def test_half_precision_sums_in_float64(loaded, store):
    windows = random_windows(2)
    exact = measure_losses(loaded("gpt2"), windows, store)
    rounded = measure_losses(loaded("gpt2", dtype="bfloat16"), windows, store)
    assert [x.nll for x in rounded] == pytest.approx([x.nll for x in exact], rel=1e-2)
    assert store.counts().written["window_loss"] == 4


def test_a_loss_that_is_not_finite_names_its_window(loaded, store):
    model, windows = loaded("gpt2"), random_windows(2)
    with (
        applied(model, {"wpe.weight": torch.full((64, 32), float("nan"))}, variant_digest="nan") as broken,
        pytest.raises(MeasurementError, match="not finite") as caught,
    ):
        measure_losses(broken, windows, store)
    assert str(caught.value.where) in {f"windows {window.id}" for window in windows}
    assert store.counts().written == {}


@pytest.mark.parametrize("name", ["gpt2", "llama", "roberta"])
def test_a_window_that_does_not_fit_is_refused(name, loaded):
    model = loaded(name)
    assert model.longest == (62 if name == "roberta" else 64)
    run_windows(model, random_windows(1, length=model.longest))
    with pytest.raises(DataError, match="the model takes") as caught:
        run_windows(model, random_windows(1, length=model.longest + 1))
    assert random_windows(1, length=model.longest + 1)[0].id in str(caught.value)


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("gpt2", make_window([1, 2, VOCABULARY])),
        ("t5", make_window([VOCABULARY], [1, 2])),
        ("t5", make_window([1], [2, VOCABULARY])),
    ],
)
def test_tokens_of_another_vocabulary_are_refused(name, window, loaded):
    with pytest.raises(DataError, match="token 97, the model has 97") as caught:
        run_windows(loaded(name), [window])
    assert window.id in str(caught.value.where)


def test_pairs_are_asked_for(loaded):
    with pytest.raises(DataError, match="needs pairs"):
        run_windows(loaded("t5"), random_windows(1))


@pytest.mark.parametrize(("name", "window"), [("gpt2", make_window([5])), ("t5", make_window([5, 6], []))])
def test_a_window_that_asks_for_nothing_is_refused(name, window, loaded):
    with pytest.raises(DataError, match="no token is to be predicted") as caught:
        run_windows(loaded(name), [window])
    assert window.id in str(caught.value.where)
