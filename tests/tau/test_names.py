"""The names of `invarlock.tau`, what asking for them imports, and what the room leans on."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import invarlock.tau

SEEDS = """
import sys
from invarlock.tau import tau_infer_sweep_from_q_abs, write_tau_infer_sweep, InferenceConfig
curves = tau_infer_sweep_from_q_abs([0.5, 2.0], is_in_range=[False, True], taus=[1.0])
write_tau_infer_sweep(sys.argv[1], curves, provenance={"split": "held_out"})
assert not {"torch", "onnx", "prefect", "mlflow"} & set(sys.modules), "the sweep does without"
from invarlock.tau import SCMInferenceWrapper, export_bundle, load_bundle
assert "torch" in sys.modules
"""


def test_the_seeds_names_are_there_and_the_sweep_does_without_torch(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", SEEDS, str(tmp_path)], check=True)
    assert (tmp_path / "tau_infer_sweep.json").is_file()


def test_every_public_name_is_the_one_of_the_public_faces() -> None:
    from invarlock.tau import inference, metrics

    for name in invarlock.tau.__all__:
        face = metrics if name in metrics.__all__ else inference
        assert getattr(invarlock.tau, name) is getattr(face, name)
    with pytest.raises(AttributeError, match="export_bundel"):
        invarlock.tau.export_bundel  # type: ignore[attr-defined]  # noqa: B018


def test_nothing_in_the_room_imports_the_command_line() -> None:
    root = Path(invarlock.tau.__file__).parent
    above = ("invarlock.cli", "tasks", "flows")
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in modules if f"{name}.".startswith(tuple(f"{up}." for up in above))], (
                path
            )
