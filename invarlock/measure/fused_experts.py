"""Experts that transformers fuses into one parameter when it loads a model: edits of them cannot run live."""

from __future__ import annotations

import re
from collections.abc import Sequence

from invarlock.errors import ModelError

_EXPERT = re.compile(r"\.experts\.\d+\.")


def refuse_fused_experts(tensors: Sequence[str]) -> None:
    """Raise ModelError when an edit aims at a tensor (name in the checkpoint) that is one expert of several.

    Their weights can be measured from the checkpoint, but the live model has no parameter for such a tensor.
    """
    experts = [name for name in tensors if _EXPERT.search(name)]
    if experts:
        raise ModelError(
            f"{len(experts)} of the edited tensors are single experts, which the loaded model fuses",
            where=experts[0],
            fix="leave experts out of the edit (edit.plan: scope attn, or module_selectors)",
        )
