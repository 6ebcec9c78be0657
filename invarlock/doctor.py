"""What is amiss on this machine, each finding with its fix. Looks, and changes nothing."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.specifiers import SpecifierSet

from invarlock.errors import InvarlockError
from invarlock.home import config_root, home, shipped
from invarlock.network import network_allowed
from invarlock.policy.tiers_file import load_tiers
from invarlock.record import Record
from invarlock.store.measurement_store import MeasurementStore

# What was seen to work; outside of these the named part fails, mostly in silence (docs/decisions/0002-versions.md).
NEEDED = {
    "prefect": (">=3.8.8,<3.9", "flows run on the version that was tested"),
    "mlflow": (">=3.17.2,<3.18", "runs are logged with the version that was tested"),
    "fastapi": ("<0.151", "the Prefect server dies at import with a newer one"),
    "sqlalchemy": ("<2.1", "with a newer one scheduled runs never start"),
    "torch": (">=2.5", "measurements need it"),
    "transformers": (">=5", "models are loaded with it"),
}


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(Record):
    """One thing looked at. ``fix`` is empty when there is nothing to do."""

    subject: str
    level: Level
    what: str
    fix: str = ""


def examine() -> list[Finding]:
    """Versions, stores, network switch and policy files of this installation."""
    return [*_python(), *_packages(), *_stores(), *_network(), *_policy(), *_model()]


def _python() -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding(
        subject="python",
        level=Level.OK if good else Level.PROBLEM,
        what=f"{found} at {sys.executable}",
        fix="" if good else "install Python 3.11 or newer",
    )


def _packages() -> Iterator[Finding]:
    for package, (specifier, why) in NEEDED.items():
        fix = f"pip install '{package}{specifier}' (or make setup): {why}"
        try:
            found = version(package)
        except PackageNotFoundError:
            yield Finding(subject=package, level=Level.PROBLEM, what="not installed", fix=fix)
            continue
        good = SpecifierSet(specifier).contains(found, prereleases=True)
        level = Level.OK if good else Level.PROBLEM
        yield Finding(subject=package, level=level, what=found, fix="" if good else fix)


def _stores() -> Iterator[Finding]:
    folder = home()
    named = "INVARLOCK_HOME" if os.environ.get("INVARLOCK_HOME") else "default"
    writable = _can_write(folder)
    yield Finding(
        subject="home",
        level=Level.OK if writable else Level.PROBLEM,
        what=f"{folder} ({named})",
        fix="" if writable else "make it writable, or point INVARLOCK_HOME to a folder that is",
    )
    damaged = len(MeasurementStore(folder / "measurements").damaged())
    yield Finding(
        subject="measurements",
        level=Level.WARNING if damaged else Level.OK,
        what=f"{damaged} damaged entries" if damaged else "every entry has its hash",
        fix="check the disk; the next sweep that needs them measures them anew" if damaged else "",
    )


def _can_write(folder: Path) -> bool:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return True
    except OSError:
        return False


def _network() -> Iterator[Finding]:
    allowed = network_allowed()
    what = (
        "allowed: models and data may be downloaded"
        if allowed
        else "off: only local models and data are used"
    )
    yield Finding(
        subject="network",
        level=Level.OK,
        what=what,
        fix="" if allowed else "INVARLOCK_ALLOW_NETWORK=1 allows it",
    )


def _policy() -> Iterator[Finding]:
    try:
        root = config_root()
        load_tiers(root / "runtime" / "tiers.yaml")
    except InvarlockError as error:
        yield Finding(
            subject="policy", level=Level.PROBLEM, what=str(error), fix=error.fix or "mend the file"
        )
        return
    named = "INVARLOCK_CONFIG_ROOT" if os.environ.get("INVARLOCK_CONFIG_ROOT") else "shipped"
    yield Finding(subject="policy", level=Level.OK, what=f"{root / 'runtime' / 'tiers.yaml'} ({named})")


def _model() -> Iterator[Finding]:
    try:
        folder = shipped("models/pydocs-gpt2")
    except InvarlockError as error:
        yield Finding(subject="demo model", level=Level.WARNING, what=error.what, fix=error.fix or "")
        return
    yield Finding(subject="demo model", level=Level.OK, what=str(folder))
