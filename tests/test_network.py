from __future__ import annotations

import os
import subprocess
import sys

import pytest

SHOW = """
import os, sys
{before}
from invarlock.network import apply_network_switch, network_allowed
apply_network_switch({allow})
import huggingface_hub
print(network_allowed(), os.environ.get("HF_DATASETS_OFFLINE"), huggingface_hub.is_offline_mode())
"""


@pytest.mark.parametrize(
    ("variable", "allow", "before", "expected"),
    [
        (None, False, "", "False 1 True"),
        (None, False, "import huggingface_hub", "False 1 True"),
        (None, True, "", "True None False"),
        ("1", False, "", "True None False"),
        ("0", False, "", "False 1 True"),
    ],
)
def test_switch(variable: str | None, allow: bool, before: str, expected: str) -> None:
    names = ("INVARLOCK_ALLOW_NETWORK", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment["PYTHONPATH"] = ":".join(sys.path)
    if variable is not None:
        environment["INVARLOCK_ALLOW_NETWORK"] = variable
    code = SHOW.format(allow=allow, before=before)
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == expected
