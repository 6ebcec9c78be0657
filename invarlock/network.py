"""The network switch: off unless ``INVARLOCK_ALLOW_NETWORK=1`` or a command line flag turns it on."""

from __future__ import annotations

import os
import sys

_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def network_allowed(allow: bool = False) -> bool:
    """Whether this process may open connections to fetch models and data."""
    return allow or os.environ.get("INVARLOCK_ALLOW_NETWORK") == "1"


def apply_network_switch(allow: bool = False) -> None:
    """Put the switch into force for this process and the processes it starts.

    Call it before datasets and transformers are imported: they read these variables once. Off, they fail at
    once on what is not cached, without a retry. On, the permission is passed on and the user's own offline
    variables stay as they are.
    """
    if network_allowed(allow):
        os.environ["INVARLOCK_ALLOW_NETWORK"] = "1"
        return
    for name in _OFFLINE:
        os.environ[name] = "1"
    imported = sys.modules.get("huggingface_hub.constants")
    if imported is not None:  # it has read its variable already
        imported.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
