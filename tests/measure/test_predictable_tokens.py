"""The count against the passes themselves, and what it does with windows that no pass takes."""

import pytest

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.data.masking import IGNORED
from invarlock.data.windows import make_window
from invarlock.errors import ModelError
from invarlock.measure.losses import run_windows
from invarlock.measure.predictable_tokens import predictable_tokens
from tests.measure.random_windows import random_windows, windows_for
from tests.measure.tiny_models import VOCABULARY


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "t5"])
def test_as_many_as_the_passes_predict(name, loaded, tmp_path):
    model, windows = loaded(name), windows_for(name, 12)
    run = sum(run_windows(model, [window])[0].tokens for window in windows)
    assert predictable_tokens(windows, open_checkpoint(str(tmp_path / name))) == run > 0


def test_ignored_labels_are_not_predicted(loaded, tmp_path):
    model, window = loaded("t5"), make_window([5, 6], [7, IGNORED, 8])
    assert run_windows(model, [window])[0].tokens == 2
    assert predictable_tokens([window], open_checkpoint(str(tmp_path / "t5"))) == 2


def test_windows_that_no_pass_takes_have_none(loaded, tmp_path):
    loaded("bert"), loaded("t5")
    special = make_window([0, 1, 2, 3, 4])
    assert predictable_tokens([special], open_checkpoint(str(tmp_path / "bert"))) == 0
    assert predictable_tokens(random_windows(2), open_checkpoint(str(tmp_path / "t5"))) == 0


def test_masks_need_the_tokenizer(opened):
    with pytest.raises(ModelError, match="mask token"):
        predictable_tokens([make_window([5, VOCABULARY - 1])], opened("bert"))
