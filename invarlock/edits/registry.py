"""Edits by name: functions that packages register as entry points of the group ``invarlock.edits``.

The function takes one matrix and gives it back edited; its keyword-only parameters are the keys of its plan:

>>> def halve(weight: torch.Tensor, *, share: Annotated[float, Field(gt=0, le=1)] = 0.5) -> EditedMatrix:
...     return EditedMatrix(weight * share)
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import PydanticUserError, create_model

from invarlock.digests import digest_of, sha256_file
from invarlock.edits.edited_matrix import EditedMatrix
from invarlock.edits.selection import Selection
from invarlock.errors import ConfigError

GROUP = "invarlock.edits"
_RESERVED = {*Selection.model_fields, "modules"}  # reports put the modules beside the plan


@dataclass(frozen=True)
class RegisteredEdit:
    """One edit.

    function: (out, in) matrix to the edited one; plan: the checked model of its plan, its own keys beside those of
    :class:`Selection`; code_sha256: over the source of the package that defines the function.
    """

    name: str
    function: Callable[..., EditedMatrix]
    plan: type[Selection]
    code_sha256: str

    def parameters(self, plan: Selection) -> dict[str, object]:
        """The function's own parameters out of ``plan``."""
        own = self.plan.model_fields.keys() - Selection.model_fields.keys()
        return {name: getattr(plan, name) for name in own}


def known_edits() -> list[str]:
    """The names that are registered, sorted."""
    return sorted({point.name for point in entry_points(group=GROUP)})


@cache
def find_edit(name: str) -> RegisteredEdit:
    """The edit called ``name``.

    Raises
    ------
    ConfigError: no such edit, or two packages that register one, or a function that cannot be an edit.
    """
    points = list(entry_points(group=GROUP, name=name))
    if not points:
        raise ConfigError(
            f"no edit is called {name!r}",
            where="edit.name",
            fix=f"use one of {', '.join(known_edits())}; docs/edits.md says how to register another",
        )
    if len(points) > 1:
        raise ConfigError(
            f"{len(points)} packages register an edit {name!r}: {', '.join(_origin(point) for point in points)}",
            where="edit.name",
            fix="uninstall all but one of them",
        )
    return _registered(points[0])


def _registered(point: EntryPoint) -> RegisteredEdit:
    try:
        function = point.load()
    except (ImportError, AttributeError) as error:
        raise _unusable(point, f"it cannot be loaded: {error}") from error
    if not inspect.isfunction(function):
        raise _unusable(point, "it is no function")
    sources = _sources_of(function)
    if not sources:
        raise _unusable(point, "its source is not there, so two versions of it could not be told apart")
    code = digest_of({name: sha256_file(path) for name, path in sources.items()})
    return RegisteredEdit(point.name, function, _plan_of(point, function), code)


def _sources_of(function: Callable[..., EditedMatrix]) -> dict[str, Path]:
    """Every source file of the function's top-level package, or its module, by a name that moves with it."""
    top = sys.modules[function.__module__.partition(".")[0]]
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    if folders:
        return {str(file.relative_to(folder)): file for folder in folders for file in folder.rglob("*.py")}
    source = inspect.getsourcefile(function)
    return {} if source is None else {Path(source).name: Path(source)}


def _plan_of(point: EntryPoint, function: Callable[..., EditedMatrix]) -> type[Selection]:
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError as error:
        raise _unusable(point, f"its annotations cannot be evaluated: {error}") from error
    names = list(signature.parameters)
    if not names:
        raise _unusable(point, "it takes no weight")
    fields: dict[str, Any] = {}  # what create_model takes
    for parameter in list(signature.parameters.values())[1:]:
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.annotation is parameter.empty:
            raise _unusable(point, f"parameter {parameter.name} is not keyword-only with an annotation")
        if parameter.name in _RESERVED:
            raise _unusable(point, f"parameter {parameter.name} has the name of a key that every plan has")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (parameter.annotation, default)
    try:
        return create_model(f"{point.name} plan", __base__=Selection, **fields)
    except PydanticUserError as error:
        raise _unusable(point, f"its parameters make no plan: {error.message}") from error


def _unusable(point: EntryPoint, why: str) -> ConfigError:
    return ConfigError(
        f"the edit {point.name!r} cannot be used: {why}",
        where=_origin(point),
        fix="mend or uninstall the package; docs/edits.md says what an edit must be",
    )


def _origin(point: EntryPoint) -> str:
    return f"{point.value} ({point.dist.name if point.dist else 'unknown package'})"
