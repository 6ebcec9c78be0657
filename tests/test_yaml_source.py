from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import Field, JsonValue

from invarlock.errors import ConfigError
from invarlock.record import Record
from invarlock.yaml_source import load_yaml_record, parse_yaml


class Inner(Record):
    rate: float = 0.5
    counts: tuple[int, ...] = ()


class Outer(Record):
    name: str
    inner: Inner = Inner()
    named: Mapping[str, Inner] = Field(default_factory=dict)
    maybe: Inner | None = None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.yaml"


def read(file: Path, text: str) -> dict[str, JsonValue]:
    file.write_text(text)
    return parse_yaml(file, error=ConfigError).data


def refused(file: Path, text: str) -> ConfigError:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_yaml_record(file, Outer, error=ConfigError)
    return caught.value


def test_reads_yaml_1_2(file: Path) -> None:
    text = "a: 1e-4\nb: off\nc: 50_000\nd: 2024-01-01\ne: [1, .5]\nf: ~\ng: true\nh: '1'\n"
    assert read(file, text) == {
        "a": 1e-4,
        "b": "off",
        "c": 50_000,
        "d": "2024-01-01",
        "e": [1, 0.5],
        "f": None,
        "g": True,
        "h": "1",
    }


def test_locates_keys_items_and_missing_children(file: Path) -> None:
    file.write_text("name: x\ninner:\n  rate: 1\n  counts:\n    - 1\n    - 2\n")
    source = parse_yaml(file, error=ConfigError)
    where = {path: (at.line, at.column) for path, at in source.positions.items()}
    assert where[("inner", "rate")] == (3, 3)
    assert where[("inner", "counts", 1)] == (6, 7)
    assert source.locate(("inner", "absent", "deeper")) == source.positions[("inner",)]


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("name: x\nname: y\n", "name: this key is here twice", ":2:1"),
        ("name: x\ninner: &a {rate: 1}\nmaybe: *a\n", "maybe: aliases are refused", ":3:1"),
        ("name: x\ninner: &a [*a]\n", "inner[0]: aliases are refused", ":2:8"),
        ("name: !!python/object/apply:os.system [ls]\n", "name: the tag", ":1:1"),
        ("name: x\n1: y\n", "a key must be text", ":2:1"),
        ("name: !!int x\n", "name: x is not a int", ":1:1"),
        ("name: [x\n", "not YAML", ":2:1"),
        ("name: x\n---\nname: y\n", "single document", ":2:1"),
        ("name: x\ninner:\n  rat: 1\n", "inner.rat: unknown key; did you mean rate?", ":3:3"),
        ("name: x\nnamed:\n  one: {rat: 1}\n", "named.one.rat: unknown key; did you mean rate?", ":3:9"),
        ("name: x\nmaybe: {rat: 1}\n", "maybe.rat: unknown key; did you mean rate?", ":2:9"),
        ("name: x\ninner: {zzz: 1}\n", "inner.zzz: unknown key; known here: counts, rate", ":2:9"),
        ("inner: {rate: 1}\n", "name: missing", ":1:1"),
        ("name: x\ninner: {rate: true}\n", "inner.rate: input should be a valid number, not true", ":2:9"),
        ("name: x\ninner: {rate: '1'}\n", 'input should be a valid number, not "1"', ":2:9"),
        ("name: x\ninner: {rate: .nan}\n", "input should be a finite number, not NaN", ":2:9"),
        ("name: x\ninner: {rate: 1e999}\n", "input should be a finite number", ":2:9"),
        ("name: x\ninner:\n  counts:\n    - 1\n    - 1.5\n", "inner.counts[1]: input should be", ":5:7"),
        ("name: x\ninner:\n", "inner: input should be an object, not null", ":2:1"),
        ("- 1\n", "does not hold a mapping", "file.yaml"),
        ("", "the file is empty", "file.yaml"),
        ("# nothing\n", "the file is empty", "file.yaml"),
        ("[" * 5000, "nested too deeply", "file.yaml"),
        ("name: a\x00b\n", "not YAML", "file.yaml"),
    ],
)
def test_names_what_is_wrong_and_where(file: Path, text: str, message: str, place: str) -> None:
    error = refused(file, text)
    assert message in error.what
    assert error.where is not None
    assert error.where.endswith(place)
    assert error.fix


def test_lists_every_problem_in_the_order_of_the_file(file: Path) -> None:
    error = refused(file, "inner:\n  rat: 1\n  counts: 3\nzz: 1\n")
    lines = error.what.splitlines()
    assert lines[0] == "4 problems"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "line 1, column 1",
        "line 2, column 3",
        "line 3, column 3",
        "line 4, column 1",
    ]


def test_names_a_file_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(ConfigError, match="No such file") as missing:
        parse_yaml(file, error=ConfigError)
    assert str(file) in str(missing.value)
    file.write_bytes(b"name: \xff\xfe\n")
    with pytest.raises(ConfigError, match="UTF-8"):
        parse_yaml(file, error=ConfigError)


def test_an_alias_bomb_is_refused_at_once(file: Path) -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    error = refused(file, "\n".join(["a0: &a0 [x]", *levels]))
    assert "aliases are refused" in error.what


def test_a_file_full_of_aliases_is_one_mistake(file: Path) -> None:
    error = refused(file, "name: &a x\ninner: {rate: *a, counts: [*a, *a]}\nmaybe: *a\n")
    assert error.what == "inner.rate: aliases are refused; write the value out, here and elsewhere"
    assert error.where == f"{file}:2:9"
