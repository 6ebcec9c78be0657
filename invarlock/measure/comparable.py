"""Whether two checkpoints can be compared at all: from configs, headers and tokenizers, before any work.

What the guards can judge is not looked at here: broken ties and extra parameters.
"""

from __future__ import annotations

import json

from invarlock.checkpoints.checkpoint import Checkpoint
from invarlock.checkpoints.modules import tied_paths
from invarlock.checkpoints.parameters import parameters_of
from invarlock.data.tokenizer import hash_tokenizer_files
from invarlock.errors import DataError, ModelError
from invarlock.measure.invariants import graph_config
from invarlock.measure.metric_kind import MetricKind, metric_kind
from invarlock.measure.vocabulary import digest_tokens

_NAMED = 5  # of the parameters or fields that do not pair
_TIES = "tie_word_embeddings"  # the invariants guard tells of ties


def require_comparable(baseline: Checkpoint, subject: Checkpoint) -> None:
    """Refuse a subject that its baseline's windows and statistics cannot be used for.

    Other dtypes, shards and names of one model's tensors compare.

    Raises
    ------
    ModelError: another model_type or kind of model, a parameter that the subject lacks or has in another shape, a
        config field that shapes the graph and differs; names file, key or parameter.
    DataError: a tokenizer that gives other tokens, or none.
    """
    _require_kind(baseline, subject)
    _require_parameters(baseline, subject)
    _require_graph(baseline, subject)
    _require_tokens(baseline, subject)


def _require_kind(baseline: Checkpoint, subject: Checkpoint) -> None:
    if subject.model_type != baseline.model_type:
        raise ModelError(
            f"the subject is a {subject.model_type}, the baseline a {baseline.model_type}",
            where=f"{subject.root / 'config.json'}: model_type",
            fix="give a subject that was made from the baseline",
        )
    ours, theirs = metric_kind(subject), metric_kind(baseline)
    if ours is not theirs:
        raise ModelError(
            f"the subject's metric is {ours.value}, the baseline's {theirs.value}",
            where=f"{subject.root / 'config.json'}: architectures",
            fix="save both with the same head",
        )


def _require_parameters(baseline: Checkpoint, subject: Checkpoint) -> None:
    tied = {f"{path}.weight" for path in tied_paths(baseline)}  # saved or not, the config has them
    ours, theirs = parameters_of(subject), parameters_of(baseline)
    lost = [name for name in theirs if name not in ours and name not in tied]
    if lost:
        raise ModelError(
            f"the subject lacks {len(lost)} of the baseline's {len(theirs)} parameters: {', '.join(lost[:_NAMED])}",
            where=subject.root,
            fix="give a subject that was made from the baseline and saved whole",
        )
    for name, entry in theirs.items():
        if name in ours and ours[name].shape != entry.shape:
            raise ModelError(
                f"{name} has shape {ours[name].shape}, in the baseline {entry.shape}",
                where=f"{ours[name].file}: {ours[name].name}",
                fix="give a subject that was made from the baseline",
            )


def _require_graph(baseline: Checkpoint, subject: Checkpoint) -> None:
    ours, theirs = graph_config(subject), graph_config(baseline)
    differing = [
        f"{name} is {json.dumps(ours.get(name))}, in the baseline {json.dumps(theirs.get(name))}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name) and name != _TIES
    ]
    if differing:
        raise ModelError(
            f"another architecture: {'; '.join(differing[:_NAMED])}",
            where=subject.root / "config.json",
            fix="give a subject that was made from the baseline, with its config",
        )


def _require_tokens(baseline: Checkpoint, subject: Checkpoint) -> None:
    if hash_tokenizer_files(subject.root) == hash_tokenizer_files(baseline.root):
        return
    masked = metric_kind(baseline) is MetricKind.MASKED
    ours, theirs = (digest_tokens(side.root, masked=masked) for side in (subject, baseline))
    if ours != theirs:
        raise DataError(
            "the subject has no tokenizer"
            if ours is None
            else "the subject's tokenizer is not the baseline's",
            where=subject.root,
            fix="save the baseline's tokenizer beside the subject: perplexities over different tokens cannot be "
            "compared",
        )
