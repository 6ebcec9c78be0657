"""One forward pass over windows of one length: what the model said at each position, and what was to be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from invarlock.data.masking import IGNORED, mask_window
from invarlock.data.windows import Tokens, Window
from invarlock.errors import DataError
from invarlock.measure.metric_kind import MetricKind
from invarlock.measure.models import LoadedModel
from invarlock.measure.pass_meter import PASSES, WHOLE_PASS


@dataclass(frozen=True)
class Predictions:
    """A pass over some windows.

    logits: (windows, positions, vocabulary), in the model's dtype; labels: (windows, positions), int64, the token
    that each position should give and -100 where nothing is predicted.
    """

    logits: torch.Tensor
    labels: torch.Tensor

    @property
    def predicted(self) -> torch.Tensor:
        """(windows, positions): where a token is predicted."""
        return self.labels != IGNORED


def predict(model: LoadedModel, windows: Sequence[Window], *, share: Fraction = WHOLE_PASS) -> Predictions:
    """Run ``model`` over ``windows`` once. share: as in :func:`invarlock.measure.losses.run_windows`.

    Raises
    ------
    DataError: a window longer than the model takes, a token that it does not have, a pair without labels, a window
        in which nothing is to be predicted; names the windows.
    """
    _ensure_fits(model, windows)
    rows = [_inputs_and_labels(model, window) for window in windows]
    _ensure_predicts(windows, [labels for _, labels in rows])
    inputs, labels = (
        torch.from_numpy(np.stack(side)).long().to(model.device) for side in zip(*rows, strict=True)
    )
    with torch.inference_mode():
        logits = _logits(model, inputs, labels)
    PASSES.add(len(windows), share)
    return Predictions(logits=logits, labels=labels)


def _logits(model: LoadedModel, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(windows, positions, vocabulary): one position a label."""
    module = model.module
    logits: torch.Tensor
    if model.kind is MetricKind.SEQ2SEQ:
        decoder = module.prepare_decoder_input_ids_from_labels(labels)
        logits = module(input_ids=inputs, decoder_input_ids=decoder, use_cache=False).logits
    elif model.kind is MetricKind.MASKED:
        logits = module(input_ids=inputs).logits
    else:
        logits = module(input_ids=inputs, use_cache=False).logits[:, :-1]  # the last has no next token
    return logits


def _inputs_and_labels(model: LoadedModel, window: Window) -> tuple[Tokens, Tokens]:
    """Input ids, and the label of each position of :func:`_logits`."""
    if model.kind is MetricKind.SEQ2SEQ:
        if window.labels is None:
            raise DataError(
                "a sequence-to-sequence model needs pairs, this window has no labels",
                where=f"window {window.id}",
                fix="use a dataset of pairs, such as local_jsonl_pairs",
            )
        return window.tokens, window.labels
    if model.masking is not None:
        return mask_window(
            window,
            mask_id=model.masking.mask_id,
            vocab_size=model.vocabulary,
            special_ids=model.masking.special_ids,
        )
    return window.tokens, window.tokens[1:]


def _ensure_fits(model: LoadedModel, windows: Sequence[Window]) -> None:
    longest = max(len(window.tokens) for window in windows)
    if model.longest is not None and longest > model.longest:
        raise DataError(
            f"windows of {longest} tokens, the model takes {model.longest}",
            where=_names(windows),
            fix="lower dataset.seq_len",
        )
    sides = [side for window in windows for side in (window.tokens, window.labels) if side is not None]
    largest = max(int(side.max(initial=0)) for side in sides)
    if largest >= model.vocabulary:
        raise DataError(
            f"token {largest}, the model has {model.vocabulary}",
            where=_names(windows),
            fix="make the windows with the model's own tokenizer",
        )


def _ensure_predicts(windows: Sequence[Window], labels: Sequence[Tokens]) -> None:
    silent = [window for window, row in zip(windows, labels, strict=True) if not (row != IGNORED).any()]
    if silent:
        raise DataError(
            "a window in which no token is to be predicted",
            where=_names(silent),
            fix="remove it, or raise dataset.seq_len",
        )


def _names(windows: Sequence[Window]) -> str:
    return f"windows {', '.join(window.id for window in windows)}"
