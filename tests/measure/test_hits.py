"""Top-1 hits: against transformers' own logits, beside losses that are those of a pass without them."""

import numpy as np
import pytest
import torch

from invarlock.data.masking import IGNORED, mask_window
from invarlock.data.windows import make_window
from invarlock.errors import DataError, MeasurementError
from invarlock.measure.hits import measure_hits
from invarlock.measure.losses import measure_losses
from invarlock.measure.models import applied
from invarlock.store.measurement_store import MeasurementStore
from tests.measure.random_windows import random_windows, windows_for
from tests.measure.tiny_models import VOCABULARY

KINDS = ["gpt2", "llama", "bert", "t5"]


def _tensor(values):
    return torch.tensor(np.asarray(values), dtype=torch.long)[None]


def _hits_by_hand(model, window):
    """Position by position, with the argmax of numpy."""
    if window.labels is not None:
        inputs, labels = window.tokens, list(window.labels)
        said = {"labels": _tensor(labels)}
    elif model.masking is not None:
        inputs, labels = mask_window(window, mask_id=4, vocab_size=VOCABULARY, special_ids=[0, 1, 2, 3, 4])
        said = {}
    else:
        inputs, labels = window.tokens, [*window.tokens[1:], IGNORED]
        said = {}
    with torch.no_grad():
        logits = model.module(input_ids=_tensor(inputs), **said).logits[0].numpy()
    return sum(int(np.argmax(row)) == label for row, label in zip(logits, labels, strict=True))


def _partly_known(name, model):
    """Windows in which the model would say some tokens itself: one with random weights hits next to nothing."""
    if name == "bert":
        return random_windows(100, length=60)
    windows = []
    for window in windows_for(name, 4):
        tokens, labels = window.tokens.copy(), None if window.labels is None else window.labels.copy()
        with torch.no_grad():
            if labels is not None:
                labels[0] = (
                    model.module(input_ids=_tensor(tokens), labels=_tensor(labels)).logits[0, 0].argmax()
                )
            else:
                for i in range(1, len(tokens), 2):
                    tokens[i] = model.module(input_ids=_tensor(tokens[:i])).logits[0, -1].argmax()
        windows.append(make_window(tokens, labels))
    return windows


@pytest.mark.parametrize("name", KINDS)
def test_hits_are_those_of_the_models_own_logits(name, lively, store):
    model = lively(name)
    windows = _partly_known(name, model)
    losses, hits = measure_hits(model, windows, store)
    assert [hit.hits for hit in hits] == [_hits_by_hand(model, window) for window in windows]
    assert [hit.window_id for hit in hits] == [window.id for window in windows]
    assert [hit.tokens for hit in hits] == [loss.tokens for loss in losses]
    assert 0 < sum(hit.hits for hit in hits) < sum(hit.tokens for hit in hits)


@pytest.mark.parametrize("name", KINDS)
def test_losses_are_those_of_a_pass_without_hits(name, loaded, tmp_path):
    model, windows = loaded(name), windows_for(name, 5)
    plain = MeasurementStore(tmp_path / "plain")
    losses, hits = measure_hits(model, windows, MeasurementStore(tmp_path / "beside"))
    assert losses == measure_losses(model, windows, plain)
    assert measure_hits(model, windows, plain) == (losses, hits)
    assert plain.counts().written == {"window_loss": 5, "window_hits": 5}


def test_each_window_runs_once_ever(loaded, store):
    model, windows = loaded("gpt2"), random_windows(4)
    first = measure_hits(model, [*windows, windows[0]], store)
    again = MeasurementStore(store.root)
    assert measure_hits(model, [*windows, windows[0]], again) == first
    assert again.counts().written == {}
    assert measure_losses(model, windows, again) == first[0][:4]
    assert again.counts().written == {}


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_batches_hit_the_same(name, loaded, tmp_path):
    model, windows = loaded(name), random_windows(6) + random_windows(3, length=11)
    _, single = measure_hits(model, windows, MeasurementStore(tmp_path / "a"), batch_size=1)
    _, batched = measure_hits(model, windows, MeasurementStore(tmp_path / "b"), batch_size=4)
    assert batched == single


def test_a_model_that_says_the_same_of_every_token_hits_the_first_alone(loaded, store):
    with applied(loaded("gpt2"), {"wte.weight": torch.zeros(VOCABULARY, 32)}, variant_digest="flat") as flat:
        _, hits = measure_hits(flat, [make_window([7, 0, 9, 0, 0, 8])], store)
    assert (hits[0].hits, hits[0].tokens) == (3, 5)


def test_nan_never_hits(loaded, store):
    """argmax takes NaN for the largest: of a token whose own logit alone is NaN it would make a hit."""
    model = loaded("gpt2")
    table = model.module.transformer.wte.weight.detach().clone()
    table[7] = float("nan")
    head = torch.nn.Linear(32, VOCABULARY, bias=False)
    head.weight = torch.nn.Parameter(table)
    model.module.lm_head = head
    window = make_window([5, 7, 6])
    with pytest.raises(MeasurementError, match="not finite") as caught:
        measure_hits(model, [window], store)
    assert window.id in str(caught.value.where)
    assert store.counts().written == {}


def test_bad_data_is_refused_as_for_losses(loaded, store):
    with pytest.raises(DataError, match="needs pairs"):
        measure_hits(loaded("t5"), random_windows(1), store)
