"""Forward hooks for the length of a block of code, and what they see at a tap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch

Hook = Callable[[torch.nn.Module, object, torch.Tensor], torch.Tensor | None]


@contextmanager
def hooked(hooks: Iterable[tuple[torch.nn.Module, Hook]]) -> Iterator[None]:
    """Call each hook with (module, inputs, output) after its module ran; what it returns replaces the output."""
    with ExitStack() as stack:
        for module, hook in hooks:
            stack.enter_context(module.register_forward_hook(hook))
        yield


def bias_of(module: torch.nn.Module) -> torch.Tensor | None:
    """The bias of the projection at a tap; None where it has none, or is a whole layer of experts."""
    bias = getattr(module, "bias", None)
    return bias if isinstance(bias, torch.Tensor) else None
