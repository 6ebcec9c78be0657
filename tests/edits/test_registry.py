"""Edits that a user's package registers: found by name, their plans checked, refused when they cannot be edits."""

import re
from pathlib import Path

import pytest
import torch

from invarlock.edits.plan import plan_edit
from invarlock.edits.registry import find_edit, known_edits
from invarlock.errors import ConfigError, ModelError
from tests.edits.installed_edits import install

DOCUMENT = Path(__file__).parents[2] / "docs" / "edits.md"
HEADER = """
from __future__ import annotations
from typing import Annotated
import torch
from pydantic import Field
from invarlock.edits.edited_matrix import EditedMatrix
from invarlock.errors import ConfigError
"""


@pytest.fixture
def registered(tmp_path, monkeypatch):
    def register(package, code, **options):
        install(tmp_path, monkeypatch, package, HEADER + code, **options)

    return register


def test_the_shipped_edits_are_registered():
    assert {"noop", "quant_rtn"} <= set(known_edits())
    assert torch.equal(find_edit("noop").function(torch.ones(2, 3)).weight, torch.ones(2, 3))


def test_one_function_is_an_edit(registered, opened):
    registered(
        "my_edits",
        """
def keep_rows(weight: torch.Tensor, *, rows: Annotated[int, Field(ge=1)], factor: float = 0.5) -> EditedMatrix:
    weight[rows:] *= factor  # its own copy, it may write there
    return EditedMatrix(weight, 0.25)
""",
    )
    assert "keep_rows" in known_edits()
    base = opened("gpt2")
    edit = plan_edit("keep_rows", {"rows": 3, "scope": "ffn", "module_selectors": ["*.h.1.mlp.c_fc"]}, base)
    assert edit.plan == {
        "rows": 3,
        "factor": 0.5,
        "scope": "ffn",
        "max_modules": None,
        "module_selectors": ["*.h.1.mlp.c_fc"],
        "seed": None,
    }
    (name,) = edit.tensors
    before = base.read(name)
    expected = before.clone()
    expected[:, 3:] *= 0.5  # rows are outputs, columns of what a Conv1D stores
    assert torch.equal(edit.apply(name, base.read(name)), expected)
    with pytest.raises(ConfigError, match="rows: missing") as missing:
        plan_edit("keep_rows", {}, base)
    assert missing.value.where == "edit.plan.rows"
    with pytest.raises(ConfigError, match="rows: input should be greater than or equal to 1, not 0"):
        plan_edit("keep_rows", {"rows": 0}, base)
    with pytest.raises(ConfigError, match="factor: input should be a valid number"):
        plan_edit("keep_rows", {"rows": 1, "factor": "half"}, base)


def test_the_documented_example_is_an_edit(tmp_path, monkeypatch, opened):
    example = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    install(tmp_path, monkeypatch, "documented", example[1])
    base = opened("llama")
    edit = plan_edit("power_of_two", {"lowest": -8, "scope": "attn", "max_modules": 1}, base)
    (name,) = edit.tensors
    before, after = base.read(name), edit.apply(name, base.read(name))
    kept = before.abs() >= 2.0**-8
    assert ((after.abs() <= before.abs()) & (before.abs() < 2 * after.abs()))[kept].all()
    assert set(torch.frexp(after).mantissa.abs().unique().tolist()) == {0.5}


def test_another_version_of_any_file_of_its_package_is_another_edit(registered, opened, tmp_path):
    code = "def same_name(weight: torch.Tensor) -> EditedMatrix:\n    return EditedMatrix(weight * 0.5)\n"
    digests = []
    for folder, constant in (("one", 1), ("one_again", 1), ("two", 2)):
        package = f"package_{folder}"
        registered(package, "", entry=f"{package}_edit = {package}_code.quantizer:same_name")
        source = tmp_path / package / f"{package}_code"
        source.mkdir()
        (source / "__init__.py").write_text("")
        (source / "quantizer.py").write_text(HEADER + code)
        (source / "constants.py").write_text(f"BITS = {constant}\n")
        edit = plan_edit(f"{package}_edit", {}, opened("gpt2"))
        digests.append(edit.model_copy(update={"name": "x"}).digest)
    assert digests[0] == digests[1] != digests[2]


def test_two_packages_of_one_name_are_refused(registered):
    code = "def twice(weight: torch.Tensor) -> EditedMatrix:\n    return EditedMatrix(weight)\n"
    registered("first_package", code)
    registered("second_package", code)
    with pytest.raises(
        ConfigError, match=r"2 packages register an edit 'twice'.*(first|second)_package:twice"
    ):
        find_edit("twice")


@pytest.mark.parametrize(
    ("package", "definition", "why"),
    [
        ("bad_kind", "(weight: torch.Tensor, bits: int) -> EditedMatrix", "bits is not keyword-only"),
        (
            "bad_hint",
            "(weight: torch.Tensor, *, bits=4) -> EditedMatrix",
            "bits is not keyword-only with an ann",
        ),
        ("bad_name", "(weight: torch.Tensor, *, seed: int) -> EditedMatrix", "seed has the name of a key"),
        ("bad_report", "(weight: torch.Tensor, *, modules: int) -> EditedMatrix", "modules has the name"),
        ("bad_type", "(weight: torch.Tensor, *, like: torch.Tensor) -> EditedMatrix", "make no plan"),
        ("bad_string", "(weight: torch.Tensor, *, bits: Bits) -> EditedMatrix", "cannot be evaluated"),
        ("bad_empty", "() -> EditedMatrix", "takes no weight"),
    ],
)
def test_functions_that_are_no_edits_are_refused(package, definition, why, registered):
    registered(package, f"def {package}_edit{definition}:\n    return EditedMatrix(weight)\n")
    with pytest.raises(ConfigError, match=why) as caught:
        find_edit(f"{package}_edit")
    assert caught.value.where == f"{package}:{package}_edit ({package})"


@pytest.mark.parametrize(
    ("package", "target", "why"),
    [("no_attribute", "no_attribute:absent", "absent"), ("no_module", "nowhere_at_all:x", "nowhere_at_all")],
)
def test_an_entry_point_to_nothing_is_refused(package, target, why, registered):
    registered(package, "", entry=f"{package}_edit = {target}")
    with pytest.raises(ConfigError, match=f"cannot be loaded.*{why}"):
        find_edit(f"{package}_edit")


def test_an_object_that_is_no_function_is_refused(registered):
    registered("a_constant", "CONSTANT = 4\n", entry="constant_edit = a_constant:CONSTANT")
    with pytest.raises(ConfigError, match="no function"):
        find_edit("constant_edit")


@pytest.mark.parametrize(
    ("package", "result", "error", "why"),
    [
        ("gives_tensor", "weight", ConfigError, "returned a Tensor, no EditedMatrix"),
        ("gives_shape", "EditedMatrix(weight.T)", ConfigError, r"shape \(32, 128\) for one of \(128, 32\)"),
        ("gives_codes", "EditedMatrix(weight.to(torch.int8))", ConfigError, "torch.int8 weight"),
        ("gives_share", "EditedMatrix(weight, 1.5)", ConfigError, "clipped_fraction 1.5"),
        ("gives_nan", "EditedMatrix(weight / 0)", ModelError, "NaN or infinity"),
    ],
)
def test_results_that_cannot_be_used_name_the_module(package, result, error, why, registered, opened):
    registered(package, f"def {package}_edit(weight: torch.Tensor) -> EditedMatrix:\n    return {result}\n")
    with pytest.raises(error, match=why) as caught:
        plan_edit(f"{package}_edit", {}, opened("gpt2"))
    assert caught.value.where == "transformer.h.0.mlp.c_fc"


@pytest.mark.parametrize("error", ["ConfigError", "ValueError"])
def test_what_a_function_refuses_is_told_with_the_module(error, registered, opened):
    name = f"refuses_{error.lower()}"
    registered(name, f"def {name}(weight: torch.Tensor) -> EditedMatrix:\n    raise {error}('too wide')\n")
    with pytest.raises(
        ConfigError, match=r"too wide: module transformer\.h\.0\.mlp\.c_fc, 128 outputs x 32 inputs"
    ):
        plan_edit(name, {}, opened("gpt2"))
