"""Screenshots of a page by headless Chromium, to look at what a user sees."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def screenshot(url: str, path: Path, *, width: int = 1400, height: int = 1000) -> None:
    """Write a PNG of the page at ``url`` to ``path``. Skips the test where there is no Chromium."""
    _browse(url, f"--screenshot={path}", f"--window-size={width},{height}")


def text_of(url: str) -> str:
    """The HTML of the page at ``url`` after its scripts ran. Skips the test where there is no Chromium."""
    return _browse(url, "--dump-dom")


def _browse(url: str, *options: str) -> str:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        command = [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--hide-scrollbars", "--virtual-time-budget=15000", f"--user-data-dir={profile}"),
            *options,
            url,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=90).stdout
