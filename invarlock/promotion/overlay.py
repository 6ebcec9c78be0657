"""A patch laid over the text of a tiers file, so that every line that it does not touch stays byte for byte.

ruamel.yaml tells where each value stands; the text between is never written anew (decision 0100).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node

from invarlock.errors import PromotionError

_PLAIN = re.compile(r"[A-Za-z][A-Za-z_]*")
_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")  # more than text to some readers


@dataclass(frozen=True)
class _Edit:
    """``text`` in the place of the characters from ``start`` to ``end``."""

    start: int
    end: int
    text: str


def overlay(text: str, base: Mapping[str, JsonValue], merged: Mapping[str, JsonValue]) -> str:
    """``text``, which reads as ``base``, changed so that it reads as ``merged``.

    ``merged`` holds at least the keys of ``base``, which is free of aliases and duplicate keys. New keys follow
    the last one of their mapping, indented as it is. The caller reads the result again to be sure.
    """
    root = YAML(typ="safe", pure=True).compose(text)
    edits = sorted(_Overlay(text, _step(root)).mapping(root, base, merged), key=lambda edit: edit.start)
    pieces, done = [], 0
    for edit in edits:
        pieces += [text[done : edit.start], edit.text]
        done = edit.end
    return "".join([*pieces, text[done:]])


def _step(root: MappingNode) -> int:
    """By how much the file indents: what its first tier does."""
    for _, value in root.value:
        if isinstance(value, MappingNode) and not value.flow_style and value.value:
            return int(value.value[0][0].start_mark.column) or 2
    return 2


@dataclass(frozen=True)
class _Overlay:
    """The edits of one text. Those at one place are in the order in which they are to be written."""

    text: str
    step: int

    def mapping(
        self, node: MappingNode, base: Mapping[str, JsonValue], merged: Mapping[str, JsonValue]
    ) -> Iterator[_Edit]:
        for key, value in node.value:
            yield from self._value(key, value, node, base[key.value], merged[key.value])
        new = {name: value for name, value in merged.items() if name not in base}
        if new:
            yield self._added(node, new)

    def _value(
        self, key: Node, node: Node, parent: MappingNode, old: JsonValue, new: JsonValue
    ) -> Iterator[_Edit]:
        if old == new:
            return
        if isinstance(old, dict) and old and isinstance(new, dict):
            yield from self.mapping(node, old, new)
        elif isinstance(new, dict) and new and not parent.flow_style:
            yield self._replaced(key, node, "")
            yield self._below(_end(self.text, key, node), new, key.start_mark.column + self.step)
        elif isinstance(old, dict) and old and not node.flow_style:
            colon, last = _colon(self.text, key), _end(self.text, key, node)
            yield _Edit(colon, colon, f" {_flow(new)}")
            yield _Edit(self._line_end(colon), self._line_end(last), "")
        else:
            yield self._replaced(key, node, _flow(new))

    def _replaced(self, key: Node, node: Node, new: str) -> _Edit:
        """``new`` for a value on one line; a comment behind it stays in its column where there is room."""
        colon, end = _colon(self.text, key), _end(self.text, key, node)
        spaced = f" {new}" if new else ""
        gap = re.compile(r" +(?=#)").match(self.text, end)
        if gap is None or end == colon or "\n" in self.text[colon:end]:
            return _Edit(colon, end, spaced)
        return _Edit(colon, gap.end(), spaced.ljust(gap.end() - colon - 1) + " ")

    def _added(self, node: MappingNode, new: Mapping[str, JsonValue]) -> _Edit:
        if not node.flow_style:  # and so not empty
            first, _ = node.value[0]
            return self._below(_end(self.text, *node.value[-1]), new, first.start_mark.column)
        items = _flow(dict(new))[1:-1]
        if node.value:
            at = _end(self.text, *node.value[-1])
            return _Edit(at, at, f", {items}")
        at = node.start_mark.index + 1
        return _Edit(at, at, items)

    def _below(self, index: int, new: Mapping[str, JsonValue], indent: int) -> _Edit:
        """``new`` as lines after the one that ``index`` is in, ended as the lines of the file are."""
        at = self._line_end(index)
        newline = "\r\n" if "\r\n" in self.text else "\n"
        return _Edit(at, at, "".join(newline + line for line in self._block(new, indent)))

    def _line_end(self, index: int) -> int:
        found = re.compile(r"\r?\n").search(self.text, index)
        return len(self.text) if found is None else found.start()

    def _block(self, new: Mapping[str, JsonValue], indent: int) -> list[str]:
        lines = []
        for name, value in new.items():
            if isinstance(value, dict) and value:
                lines += [f"{' ' * indent}{_flow(name)}:", *self._block(value, indent + self.step)]
            else:
                lines.append(f"{' ' * indent}{_flow(name)}: {_flow(value)}")
        return lines


def _end(text: str, key: Node, node: Node) -> int:
    """Where the last character of a value is: a block's own mark lies beyond the comments that follow it."""
    if isinstance(node, MappingNode) and not node.flow_style:
        return _end(text, *node.value[-1])
    if not isinstance(node, MappingNode) and isinstance(node.value, list) and not node.flow_style:
        return max(_end(text, key, item) for item in node.value)
    if node.start_mark.index == node.end_mark.index:  # no value: these are the marks of what follows
        return _colon(text, key)
    return len(text[: node.end_mark.index].rstrip())


def _colon(text: str, key: Node) -> int:
    """The place behind the colon of ``key``. Raises PromotionError where it has none, as in ``{a, b: 1}``."""
    found = re.compile(r"\s*:").match(text, key.end_mark.index)
    if found is None:
        raise PromotionError(
            f"{key.value} has no colon and no value",
            where=f"runtime/tiers.yaml:{key.start_mark.line + 1}",
            fix="write its value out, and request the patch again",
        )
    return found.end()


def _flow(value: JsonValue) -> str:
    """``value`` on one line, as every YAML reads it: a plain word, or JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(name)}: {_flow(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    # Under YAML 1.1 `1e-05` is text and `1.0e-05` a number.
    return re.sub(r"^(-?\d+)e", r"\1.0e", json.dumps(value, ensure_ascii=False))
