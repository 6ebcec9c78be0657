"""What a result was made with: the product's own code, the packages beside it, and the commit."""

from __future__ import annotations

import functools
import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from invarlock import __version__
from invarlock.record import Record

_TOP = Path(__file__).resolve().parent.parent
_ROOMS = ("invarlock", "tasks", "flows")
_PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "scipy",
    "pandas",
    "prefect",
    "mlflow",
)


class CodeVersion(Record):
    """Version of the product, hex SHA-256 over every source file of it, and the packages beside it."""

    version: str
    sha256: str
    python: str
    packages: dict[str, str]


@functools.cache
def code_sha256() -> str:
    """Hex SHA-256 over the sorted (path, bytes) of every ``.py`` file of the product."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((_TOP / room).rglob("*.py")):
            digest.update(path.relative_to(_TOP).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.cache
def code_version() -> CodeVersion:
    """The code and packages of this process."""
    return CodeVersion(
        version=__version__,
        sha256=code_sha256(),
        python=platform.python_version(),
        packages={name: found for name in _PACKAGES if (found := _installed(name)) is not None},
    )


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """The git commit of a checkout, None elsewhere."""
    if not (_TOP / ".git").exists():  # an installed wheel: the folder above belongs to somebody else
        return None
    done = subprocess.run(
        ["git", "-C", str(_TOP), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None
