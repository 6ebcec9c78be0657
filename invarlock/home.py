"""Where things live: the project's home folder, the config root, and the files that the package ships."""

from __future__ import annotations

import os
from pathlib import Path

from invarlock.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "_shipped"  # filled in the wheel from the one copy at the top of the checkout
_CHECKOUT = _PACKAGE.parent

BUNDLED = "bundled:"


def home() -> Path:
    """The folder of stores and servers: ``$INVARLOCK_HOME``, else ``.invarlock`` in the working folder."""
    return Path(os.environ.get("INVARLOCK_HOME", ".invarlock")).resolve()


def shipped(relative: str) -> Path:
    """A file or folder that the product ships, such as ``configs/runtime/tiers.yaml``.

    An installed wheel holds it inside the package; a checkout holds it at its top.
    """
    for root in (_SHIPPED, _CHECKOUT):
        if (root / relative).exists():
            return root / relative
    raise ConfigError(
        f"{relative} is not shipped with this installation",
        where=_PACKAGE,
        fix="reinstall invarlock-calibration",
    )


def config_root() -> Path:
    """The folder that holds ``runtime/tiers.yaml``: ``$INVARLOCK_CONFIG_ROOT``, else the shipped one."""
    named = os.environ.get("INVARLOCK_CONFIG_ROOT")
    return Path(named).resolve() if named else shipped("configs")


def find_config(path: Path) -> Path:
    """``path`` itself, or the shipped file of that name when the working folder has none.

    So the documented ``--config configs/calibration/null_sweep_demo.yaml`` works from any folder.
    """
    if path.exists() or path.is_absolute() or path.parts[:1] != ("configs",):
        return path
    for root in (_SHIPPED, _CHECKOUT):
        if (root / path).is_file():
            return root / path
    return path


def find_model(reference: str) -> str:
    """Turn ``bundled:NAME`` into the shipped model's folder; leave any other reference as it is."""
    if reference.startswith(BUNDLED):
        return str(shipped(f"models/{reference.removeprefix(BUNDLED)}"))
    return reference
