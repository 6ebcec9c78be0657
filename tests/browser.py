"""Screenshots and measures of a page by headless Chromium, to look at what a user sees."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def screenshot(url: str, path: Path, *, width: int = 1400, height: int = 1000) -> None:
    """Write a PNG of the page at ``url`` to ``path``. Skips the test where there is no Chromium."""
    _browse(url, f"--screenshot={path}", f"--window-size={width},{height}")


def text_of(url: str) -> str:
    """The HTML of the page at ``url`` after its scripts ran. Skips the test where there is no Chromium."""
    return _browse(url, "--dump-dom")


@dataclass(frozen=True)
class Layout:
    """Of a page in a window, CSS pixels. smallest_text: height of the font of the smallest text in a picture."""

    window: int
    content: int
    smallest_text: float


_MEASURE = """
<script>
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => {
  const inner = frame.contentDocument;
  const sizes = [...inner.querySelectorAll("svg text")].map(
    (text) => parseFloat(getComputedStyle(text).fontSize) * text.ownerSVGElement.getScreenCTM().a);
  const found = {window: frame.contentWindow.innerWidth, content: inner.scrollingElement.scrollWidth,
                 smallest_text: Math.min(1000, ...sizes)};
  document.querySelector("output").textContent = JSON.stringify(found);
});
</script>
"""


def layout_of(page: str, *, width: int) -> Layout:
    """Lay out the HTML of a page in a frame of ``width`` pixels: a window of Chromium's is never below 500."""
    frame = f'<iframe style="border:0;width:{width}px;height:800px" srcdoc="{html.escape(page)}"></iframe>'
    with tempfile.TemporaryDirectory() as folder:
        outer = Path(folder) / "outer.html"
        outer.write_text(f"<!DOCTYPE html><body><output></output>{frame}{_MEASURE}</body>", "utf-8")
        found = re.search("<output>(.*?)</output>", text_of(outer.as_uri()))
    assert found is not None
    return Layout(**json.loads(html.unescape(found[1])))


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
