"""Which matrices an edit is done to: the plan keys that every edit has."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field

from invarlock.errors import ConfigError
from invarlock.families import Family
from invarlock.record import Record

if TYPE_CHECKING:
    from invarlock.checkpoints.modules import Module

_FAMILIES = {"ffn": (Family.FFN,), "attn": (Family.ATTN,), "all": (Family.FFN, Family.ATTN)}


class Selection(Record):
    """The keys common to every edit's plan.

    scope: families, ``all`` is ffn and attn, embeddings and heads are never edited; module_selectors: fnmatch
    patterns on module names, none means every module of the scope; max_modules: how many at most, null is all of
    them; seed: draws those when there are more, null takes the first.
    """

    model_config = ConfigDict(strict=True, validate_default=True)

    scope: Literal["ffn", "attn", "all"] = "ffn"
    max_modules: Annotated[int, Field(ge=1)] | None = None
    module_selectors: tuple[str, ...] = ()
    seed: Annotated[int, Field(ge=0)] | None = None


def select_modules(modules: Sequence[Module], selection: Selection) -> list[Module]:
    """The modules that ``selection`` takes of ``modules``, in natural order of their names (h.2 before h.10).

    Raises ConfigError when the scope, or any one of the selectors, matches nothing.
    """
    inside = [module for module in modules if module.family in _FAMILIES[selection.scope]]
    if not inside:
        raise ConfigError(
            f"the model has no matrix of scope {selection.scope}",
            where="edit.plan.scope",
            fix="use another of ffn, attn, all",
        )
    chosen = sorted(_matching(inside, selection), key=lambda module: _natural(module.name))
    if selection.max_modules is None or selection.max_modules >= len(chosen):
        return chosen
    if selection.seed is None:
        return chosen[: selection.max_modules]
    drawn = random.Random(selection.seed).sample(range(len(chosen)), selection.max_modules)
    return [chosen[position] for position in sorted(drawn)]


def _matching(inside: Sequence[Module], selection: Selection) -> Sequence[Module]:
    patterns = selection.module_selectors
    for position, pattern in enumerate(patterns):
        if not any(fnmatchcase(module.name, pattern) for module in inside):
            raise ConfigError(
                f"{pattern!r} matches none of the {len(inside)} modules of scope {selection.scope}",
                where=f"edit.plan.module_selectors[{position}]",
                fix=f"match names such as {inside[0].name}, or set another scope",
            )
    if not patterns:
        return inside
    return [module for module in inside if any(fnmatchcase(module.name, pattern) for pattern in patterns)]


def _natural(name: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
