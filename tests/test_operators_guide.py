"""docs/operators-guide.md is true: commands and options, linked files, and messages as the code words them."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest
from typer.main import get_command

from invarlock.cli.main import app
from invarlock.promotion.promotion_config import PromotionConfig, load_promotion_config
from invarlock.promotion.runtime_files import RuntimeFiles

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/operators-guide.md"
GUIDE = PAGE.read_text()
GAP = "…"  # what differs from one message to the next

IN_FORCE = "it was made for the policy …, and … is in force"
CHANGED_BACK = "the policy was changed and changed back since it was made"
PUT_TOGETHER = {  # no one string of the sources has these; their parts are strings
    "independent observations: balanced has 1: at least 5": (
        "independent observations",
        "… has …",
        ": at least …",
    ),
    "request … is rejected: nothing more can happen to it": (
        "request … is …: nothing more can happen to it",
    ),
    f"request … is stale: {IN_FORCE}": ("request … is stale: …", IN_FORCE),
    f"request … is stale: {CHANGED_BACK}": ("request … is stale: …", CHANGED_BACK),
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every command line of the guide that runs ``invarlock``."""
    lines = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    return [line for line in lines if re.match(r"([A-Z_]+=\S+ )*invarlock ", line)]


def messages() -> list[str]:
    """What stands in the first column of the tables of failures."""
    chapter = GUIDE.partition("## 5.")[2].partition("\n## ")[0]
    rows = [row for row in chapter.splitlines() if row.startswith("| ")]
    cells = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    quoted = [found for cell in cells for found in re.findall(r"`([^`]+)`", cell)]
    return [
        each for each in quoted if " " in each and not each.startswith("invarlock ")
    ]  # no command, no state


def texts_of(path: Path) -> list[str]:
    """Every string of a module as it is put together, with GAP for what is filled in."""
    tree = ast.parse(path.read_text())
    joined = {node: node.values for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
    found = ["".join(_part(value) for value in values) for values in joined.values()]
    plain = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return found + plain


def _part(value: ast.expr) -> str:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else GAP


@pytest.fixture(scope="module")
def sources() -> str:
    files = [
        path for folder in ("invarlock", "tasks", "flows") for path in sorted((ROOT / folder).rglob("*.py"))
    ]
    return "\n".join(text for path in files for text in texts_of(path))


def is_said(message: str, sources: str) -> bool:
    """Whether each part of ``message`` is worded so in some string."""
    parts = [part.strip(f"{GAP} ") for part in PUT_TOGETHER.get(message, (message,))]
    return all(part and part in sources for part in parts)


def test_there_is_something_to_look_at() -> None:
    assert len(commands()) > 20
    assert len(messages()) > 40


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_guide_is_one(line: str) -> None:
    words = [word for word in shlex.split(line, comments=True) if not re.match(r"[A-Z_]+=", word)]
    command, arguments, name = get_command(app), words[1:], "invarlock"
    while isinstance(command, click.Group) or hasattr(command, "commands"):
        name, arguments = f"{name} {arguments[0]}", arguments[1:]
        command = command.commands[name.rpartition(" ")[2]]
    command.make_context(name, arguments)  # parses, and runs nothing


def test_what_the_guide_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#\s]+)", GUIDE)
    assert len([link for link in links if link.endswith(".png")]) >= 6
    missing = [link for link in links if not link.startswith("http") and not (PAGE.parent / link).is_file()]
    assert not missing


@pytest.mark.parametrize("message", messages())
def test_a_message_of_the_guide_is_worded_so_in_the_code(message: str, sources: str) -> None:
    assert is_said(message, sources)


def test_another_wording_would_be_noticed(sources: str) -> None:
    assert not is_said("request … is not checked yet", sources)


def test_the_rules_that_the_guide_prints_are_the_defaults(tmp_path: Path) -> None:
    [rules] = [block for block in blocks("yaml") if block.startswith("promotion:")]
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime/promotion.yaml").write_text(rules)
    shown = load_promotion_config(RuntimeFiles.of(tmp_path))
    assert shown.signatures.required
    assert shown.model_copy(update={"signatures": PromotionConfig().signatures}) == PromotionConfig()


@pytest.mark.parametrize("code", blocks("python"))
def test_the_code_of_the_guide_compiles_and_its_imports_are_there(code: str) -> None:
    tree = ast.parse(code)
    imports: list[ast.stmt] = [each for each in tree.body if isinstance(each, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), "guide", "exec"), {})
