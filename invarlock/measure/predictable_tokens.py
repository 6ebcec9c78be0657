"""How many tokens there are to predict: what an evaluation's token floor is a fraction of (design page 3, Gates)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from invarlock.checkpoints.checkpoint import Checkpoint
from invarlock.data.masking import IGNORED, count_masked
from invarlock.data.windows import Window
from invarlock.measure.metric_kind import MetricKind, metric_kind
from invarlock.measure.models import masking_tokens


def predictable_tokens(windows: Iterable[Window], checkpoint: Checkpoint) -> int:
    """Tokens that the model of ``checkpoint`` would predict in all of ``windows``, without running it.

    Of a window that cannot be run, one of special tokens only or a pair without labels, none. Raises ModelError for
    a masked model without its tokenizer.
    """
    kind = metric_kind(checkpoint)
    if kind is MetricKind.CAUSAL:
        return sum(max(len(window.tokens) - 1, 0) for window in windows)
    if kind is MetricKind.SEQ2SEQ:
        labels = (window.labels for window in windows if window.labels is not None)
        return sum(int(np.count_nonzero(row != IGNORED)) for row in labels)
    special = masking_tokens(checkpoint).special_ids
    return sum(count_masked(window, special_ids=special) for window in windows)
