"""YAML files that people write, read so that every problem is told with its line, column and key path.

YAML 1.2, as JSON sees it: ``off`` is text and ``1e-4`` is a number. Refused: duplicate keys, aliases (a few
lines of them grow to gigabytes), tags of other types, keys that are not text, more than one document.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from invarlock.errors import InvarlockError
from invarlock.problems import KeyPath, Problem, problems_of
from invarlock.record import Record

RecordT = TypeVar("RecordT", bound=Record)

_TEXT = {f"tag:yaml.org,2002:{name}" for name in ("str", "timestamp", "merge", "value")}
_OTHER = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "map", "seq")}
_FIX = "correct the file and run again"
_MOST_TOLD = 20  # problems, of a file that may hold nothing else


@dataclass(frozen=True)
class Position:
    """A place in a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class YamlSource:
    """A parsed file: plain data, and where each key stands."""

    path: Path
    data: dict[str, JsonValue]
    positions: Mapping[KeyPath, Position]

    def locate(self, key_path: KeyPath) -> Position:
        """Where ``key_path`` stands, or the nearest parent that the file has."""
        while key_path not in self.positions:
            key_path = key_path[:-1]
        return self.positions[key_path]


def load_yaml_record(
    path: Path, model: type[RecordT], *, error: type[InvarlockError], fix: str = _FIX
) -> RecordT:
    """Read ``path`` as a ``model``. Raises ``error`` with every problem: line, column, key path, value."""
    return read_yaml_record(_text(path, error), path, model, error=error, fix=fix)


def read_yaml_record(
    text: str, path: Path, model: type[RecordT], *, error: type[InvarlockError], fix: str = _FIX
) -> RecordT:
    """Read ``text``, which errors say is in ``path``, as a ``model``."""
    source = _parse(text, path, error, fix)
    try:
        # Strict JSON: no text or booleans for numbers, yet text for enums and lists for tuples.
        return model.model_validate_json(json.dumps(source.data), strict=True)
    except ValidationError as found:
        raise _told(path, problems_of(found, model), source.locate, error, fix) from found


def parse_yaml(path: Path, *, error: type[InvarlockError], fix: str = _FIX) -> YamlSource:
    """Plain data of a YAML mapping, with positions. Raises ``error`` for whatever cannot be read safely."""
    return _parse(_text(path, error), path, error, fix)


def _text(path: Path, error: type[InvarlockError]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as found:
        raise error(f"cannot read: {found.strerror}", where=path, fix="give a readable YAML file") from found
    except UnicodeDecodeError as found:
        raise error("not UTF-8 text", where=path, fix="save the file as UTF-8") from found


def _parse(text: str, path: Path, error: type[InvarlockError], fix: str) -> YamlSource:
    node = _compose(text, path, error, fix)
    if node is None or node.value == "":  # an explicit {} is no mistake: a patch may change nothing
        raise error("the file is empty", where=path, fix=fix)
    if not isinstance(node, MappingNode):
        raise error("the file does not hold a mapping of keys to values", where=path, fix=fix)
    reader = _Reader()
    data = reader.mapping(node, ())
    if reader.problems:
        raise _told(path, reader.problems, reader.positions.__getitem__, error, fix)
    return YamlSource(path, data, reader.positions)


def _compose(text: str, path: Path, error: type[InvarlockError], fix: str) -> Node | None:
    try:
        return YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as found:
        mark = found.problem_mark or found.context_mark
        raise error(
            f"not YAML: {', '.join(filter(None, (found.context, found.problem)))}",
            where=f"{path}:{mark.line + 1}:{mark.column + 1}",
            fix=fix,
        ) from found
    except YAMLError as found:
        raise error(f"not YAML: {str(found).splitlines()[0]}", where=path, fix=fix) from found
    except RecursionError as found:
        raise error("nested too deeply", where=path, fix=fix) from found


def _told(
    path: Path,
    problems: Sequence[Problem],
    locate: Callable[[KeyPath], Position],
    error: type[InvarlockError],
    fix: str,
) -> InvarlockError:
    """``error`` with the problems at their ``file:line:column``, in the order of the file."""
    placed = sorted(
        ((locate(problem.path), problem) for problem in problems), key=lambda p: (p[0].line, p[0].column)
    )
    first = placed[0][0]
    if len(placed) == 1:
        return error(str(placed[0][1]), where=f"{path}:{first.line}:{first.column}", fix=fix)
    lines = [f"  line {at.line}, column {at.column}: {problem}" for at, problem in placed[:_MOST_TOLD]]
    if len(placed) > len(lines):
        lines.append(f"  and {len(placed) - len(lines):,} more")
    return error(
        "\n".join([f"{len(placed):,} problems", *lines]), where=f"{path}:{first.line}:{first.column}", fix=fix
    )


@dataclass
class _Reader:
    """Turns nodes into plain data, and notes positions and problems on the way."""

    positions: dict[KeyPath, Position] = field(default_factory=lambda: {(): Position(1, 1)})
    problems: list[Problem] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    aliased: bool = False

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, JsonValue]:
        data: dict[str, JsonValue] = {}
        for key, value in node.value:
            name = str(key.value) if key.tag in _TEXT else "?"
            here = (*path, name)
            self.positions[here] = _position(key)
            if key.tag not in _TEXT:
                self.problems.append(Problem(here, "a key must be text; quote it"))
            elif name in data:
                self.problems.append(Problem(here, "this key is here twice"))
            data[name] = self.value(value, here)
        return data

    def sequence(self, node: SequenceNode, path: KeyPath) -> list[JsonValue]:
        items: list[JsonValue] = []
        for index, item in enumerate(node.value):
            # An alias has the position of what it stands for, somewhere else in the file.
            self.positions[(*path, index)] = _position(node if id(item) in self.seen else item)
            items.append(self.value(item, (*path, index)))
        return items

    def value(self, node: Node, path: KeyPath) -> JsonValue:
        if id(node) in self.seen:
            self._refuse_alias(path)
            return None
        self.seen.add(id(node))
        if node.tag not in _TEXT | _OTHER:
            self.problems.append(Problem(path, f"the tag {node.tag} is refused"))
            return None
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            return self.sequence(node, path)
        return str(node.value) if node.tag in _TEXT else self.scalar(node, path)

    def _refuse_alias(self, path: KeyPath) -> None:
        """Tell the first: whoever shares values does so all over the file, and it is one mistake."""
        if not self.aliased:
            self.problems.append(
                Problem(path, "aliases are refused; write the value out, here and elsewhere")
            )
        self.aliased = True

    def scalar(self, node: Node, path: KeyPath) -> JsonValue:
        try:
            scalar: JsonValue = YAML(typ="safe", pure=True).constructor.construct_object(node)
        except (ValueError, KeyError):  # an explicit tag on text that it does not fit, as !!int x
            self.problems.append(Problem(path, f"{node.value} is not a {node.tag.rpartition(':')[2]}"))
            return None
        return scalar


def _position(node: Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
