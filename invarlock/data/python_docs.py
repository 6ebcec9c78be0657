"""``python_docs``: the documentation of the running Python, real English on every machine without a network.

One document for each language topic (``topic/assert``), for each module of the standard library that is
written in Python (``module/json.decoder``: the docstrings of its source, read without importing it), and for
a fixed list of modules written in C (``builtin/math``).

The documentation repeats itself: ``topic/compound`` holds the text of ``topic/if``, ``ntpath`` that of
``posixpath``. A text or a long paragraph that occurs again stays in the first document only, so that the two
sides of a split do not share it (docs/decisions/0010-held-out-text.md).
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import os
import platform
import sysconfig
import types
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from invarlock.data.documents import Document
from invarlock.digests import digest_of, sha256_hex
from invarlock.errors import DataError
from invarlock.record import Record
from invarlock.store.measurement_store import MeasurementKey, MeasurementStore

_SKIPPED_FOLDERS = frozenset(
    [
        "__pycache__",
        "_bundled",
        "dist-packages",
        "idlelib",
        "lib-dynload",
        "lib2to3",
        "site-packages",
        "test",
        "tests",
    ]
)
# Written in C, safe to import on any platform that has them, and documented in their docstrings.
_C_MODULES = (
    "_collections", "_functools", "_heapq", "_io", "_operator", "_random", "_socket", "_sre", "_struct",
    "_thread", "array", "atexit", "binascii", "builtins", "cmath", "errno", "faulthandler", "fcntl", "gc",
    "itertools", "marshal", "math", "mmap", "pwd", "pyexpat", "resource", "select", "sys", "syslog", "time",
    "unicodedata", "zlib",
)  # fmt: skip
_VERSION = 1  # of what is taken from a source, raised when that changes
_LONG = 80  # characters; shorter paragraphs ("Example:") repeat without giving anything away
_C_MEMBERS = (
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.WrapperDescriptorType,
)


class Docstrings(Record):
    """Of each module of the standard library, in order of their paths: its name and its docstrings."""

    modules: tuple[tuple[str, tuple[str, ...]], ...]


@lru_cache(maxsize=1)
def read_python_docs(kept: MeasurementStore | None = None) -> tuple[Document, ...]:
    """Every document, in a fixed order: topics, then Python modules, then C modules, each sorted by name.

    kept: where the docstrings are, by the hash of the sources, once they have been found: parsing the standard library
    takes some seconds, reading it a tenth of that. A process does it once for each place.

    Raises
    ------
    DataError: this Python has no documentation topics or no standard library sources.
    """
    seen: set[str] = set()
    parts = [
        *((f"topic/{name}", [text]) for name, text in _topics()),
        *((f"module/{name}", docstrings) for name, docstrings in _docstrings(kept).modules),
        *((f"builtin/{name}", _c_docstrings(name)) for name in _C_MODULES if importlib.util.find_spec(name)),
    ]
    joined = [(name, _join_unseen(texts, seen)) for name, texts in parts]
    return tuple(Document(name, text) for name, text in joined if text)


def _topics() -> list[tuple[str, str]]:
    try:
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ModuleNotFoundError as error:
        raise DataError(
            "this Python has no documentation topics",
            where="python_docs (pydoc_data.topics)",
            fix="install the complete standard library, or use provider: local_text with files of your own",
        ) from error
    return [(name, text.strip()) for name, text in sorted(topics.items())]


def _join_unseen(texts: Iterable[str], seen: set[str]) -> str:
    """The texts without what is in ``seen``, which gains them and their long paragraphs."""
    fresh: list[str] = []
    for text in texts:
        paragraphs = text.strip().split("\n\n")
        if text.strip() not in seen:
            fresh += [paragraph for paragraph in paragraphs if paragraph not in seen]
        seen.update([text.strip(), *(paragraph for paragraph in paragraphs if len(paragraph) >= _LONG)])
    return "\n\n".join(fresh).strip()


def _docstrings(kept: MeasurementStore | None) -> Docstrings:
    sources = _sources()
    if kept is None:
        return _parsed(sources)
    digests = {path.as_posix(): sha256_hex(source) for path, source in sources.items()}
    inputs = {"python": platform.python_version(), "sources": digest_of(digests)}
    key = MeasurementKey(kind="python_docs", version=_VERSION, inputs=inputs)
    found = kept.get(key, Docstrings)
    if found is None:
        found = _parsed(sources)
        kept.put(key, found)
    return found


def _parsed(sources: Mapping[Path, bytes]) -> Docstrings:
    return Docstrings(
        modules=tuple(
            (_module_name(path), _source_docstrings(path, source)) for path, source in sources.items()
        )
    )


def _sources() -> dict[Path, bytes]:
    """The content of each source of the standard library, by its path below it."""
    root = Path(sysconfig.get_path("stdlib"))
    found = []
    for folder, below, files in os.walk(root):
        below[:] = set(below) - _SKIPPED_FOLDERS
        found += [Path(folder, name).relative_to(root) for name in files if name.endswith(".py")]
    if not found:
        raise DataError(
            "the standard library's sources are not here",
            where=root,
            fix="use a Python that is installed with its .py files, or provider: local_text",
        )
    return {path: (root / path).read_bytes() for path in sorted(found)}


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _source_docstrings(path: Path, source: bytes) -> tuple[str, ...]:
    """Docstrings of the module, its classes and functions, from the outside in."""
    try:
        tree = ast.parse(source, filename=str(path))
    except SyntaxError as error:
        raise DataError(
            "a standard library source does not parse",
            where=Path(sysconfig.get_path("stdlib"), path),
            fix="repair this Python installation",
        ) from error
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, documented))
    return tuple(docstring for docstring in found if docstring)


def _c_docstrings(name: str) -> Iterator[str]:
    """Docstrings of a C module, its functions and its classes; what other code put there is left out."""
    module = importlib.import_module(name)
    documented: list[object] = [module]
    for _, value in sorted(vars(module).items()):
        if isinstance(value, types.BuiltinFunctionType):
            documented.append(value)
        elif isinstance(value, type) and value.__module__ == name:
            members = (member for _, member in sorted(vars(value).items()))
            documented += [value, *(member for member in members if isinstance(member, _C_MEMBERS))]
    # A class may define a member named __doc__, which is then no text.
    return (inspect.cleandoc(value.__doc__) for value in documented if isinstance(value.__doc__, str))
