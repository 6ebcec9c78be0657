"""An edit by name and plan, checked against a checkpoint before any work."""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from pydantic import JsonValue, ValidationError

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.checkpoints.modules import Module, modules_of
from invarlock.edits.apply_plan import changes_in
from invarlock.edits.names import NOOP
from invarlock.edits.planned_edit import EditTarget, PlannedEdit
from invarlock.edits.registry import RegisteredEdit, find_edit
from invarlock.edits.selection import Selection, select_modules
from invarlock.errors import ConfigError, ModelError
from invarlock.problems import dotted, known_keys, problems_of

_WEIGHTS = ("F64", "F32", "F16", "BF16")


def plan_edit(name: str, plan: Mapping[str, JsonValue], source: TensorSource) -> PlannedEdit | None:
    """The edit ``name`` of ``source`` by ``plan``; None for ``noop``, which edits nothing.

    The edit is tried on random numbers of each shape that it aims at, so that a plan that does not fit is refused
    here. No weights are read but for ties (see :func:`modules_of`).

    Raises
    ------
    ConfigError: an edit that is not known, a key that it does not know, a value out of range or that does not fit
        a matrix, a scope or selector that matches nothing; where names the key.
    ModelError: a matrix that is stored as codes, not as floating-point numbers.
    """
    if name == NOOP:
        if plan:
            raise ConfigError(
                "the edit noop has no plan",
                where=f"edit.plan.{next(iter(plan))}",
                fix="leave edit.plan out, or name an edit",
            )
        return None
    registered = find_edit(name)
    checked = _checked(registered, plan)
    edit = PlannedEdit(
        name=name,
        plan=checked.model_dump(mode="json"),
        targets=_targets(source, select_modules(modules_of(source), checked)),
        code_sha256=registered.code_sha256,
    )
    _try_shapes(edit)
    return edit


def _checked(registered: RegisteredEdit, plan: Mapping[str, JsonValue]) -> Selection:
    try:
        return registered.plan.model_validate_json(json.dumps(dict(plan)))
    except ValidationError as error:
        problems = problems_of(error, registered.plan)
        raise ConfigError(
            "\n".join(str(problem) for problem in problems),
            where=f"edit.plan.{dotted(problems[0].path)}",
            fix=f"the plan keys of {registered.name} are {', '.join(known_keys(registered.plan, ()))}",
        ) from error


def _targets(source: TensorSource, modules: list[Module]) -> tuple[EditTarget, ...]:
    entries = {entry.name: entry for entry in source.entries}
    for module in modules:
        if entries[module.tensor].dtype not in _WEIGHTS:
            raise ModelError(
                f"a matrix stored as {entries[module.tensor].dtype} cannot be edited",
                where=module.name,
                fix="dequantise it: weights must be float16, bfloat16, float32 or float64",
            )
    return tuple(
        EditTarget(
            module=module.name,
            tensor=module.tensor,
            shape=module.shape,
            transposed=module.transposed,
            index=module.expert if len(entries[module.tensor].shape) == 3 else None,
        )
        for module in modules
    )


def _try_shapes(edit: PlannedEdit) -> None:
    """Do the edit to random numbers of each distinct shape."""
    first: dict[tuple[tuple[int, int], bool], EditTarget] = {}
    for target in edit.targets:
        first.setdefault((target.shape, target.transposed), target)
    for (shape, _), target in first.items():
        alone = target.model_copy(update={"index": None})
        numbers = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        for _ in changes_in(edit.model_copy(update={"targets": (alone,)}), target.tensor, numbers):
            pass
