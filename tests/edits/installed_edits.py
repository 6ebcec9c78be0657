"""Edits as a user's package registers them: a real module and dist-info in a folder of ``sys.path``."""

from __future__ import annotations

from pathlib import Path

import pytest


def install(
    folder: Path, patch: pytest.MonkeyPatch, package: str, code: str, *, entry: str | None = None
) -> None:
    """Install a distribution ``package`` of one module of that name with ``code``; entry: lines NAME = MODULE:FUNCTION,
    by default every top-level function under its own name."""
    root = folder / package
    root.mkdir(parents=True)
    (root / f"{package}.py").write_text(code)
    info = root / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    names = [line[4:].partition("(")[0] for line in code.splitlines() if line.startswith("def ")]
    lines = entry or "\n".join(f"{name} = {package}:{name}" for name in names)
    (info / "entry_points.txt").write_text(f"[invarlock.edits]\n{lines}\n")
    patch.syspath_prepend(root)
