"""The form of a suspended flow run, filled in and sent in Prefect's UI as a person does it, in headless Chromium."""

from __future__ import annotations

import base64
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.browser import CHROMIUM

_CHOOSE = """(() => {
  const options = [...document.querySelectorAll("select option")];
  const option = options.find((each) => each.text.trim() === %s);
  option.parentElement.selectedIndex = option.index;
  option.parentElement.dispatchEvent(new Event("change", {bubbles: true}));
})()"""
_BUTTON = "[...document.querySelectorAll('button')].find((each) => each.innerText.trim() === '%s')"
_AREAS = "document.querySelectorAll('.p-modal textarea')"
_SECONDS = 60


def send_form(url: str, choice: str, *texts: str, picture: Path) -> None:
    """Open the flow run at ``url``, resume it, choose, write ``texts`` from top to bottom, submit.

    picture: a PNG of the form as it is sent. Skips the test where there is no Chromium.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        command = [CHROMIUM, *options, f"--user-data-dir={profile}", "--window-size=1400,1000", "about:blank"]
        browser = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            with connect(_page(Path(profile)), max_size=None) as socket:
                _fill(Page(socket), url, choice, texts, picture)
        finally:
            browser.kill()
            browser.wait()


class Page:
    """A tab, spoken to in the DevTools protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._calls = 0

    def call(self, method: str, **parameters: object) -> Any:
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv(timeout=_SECONDS))).get("id") != self._calls:
            pass  # an event
        return answer["result"]

    def run(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def wait_for(self, condition: str) -> None:
        deadline = time.monotonic() + _SECONDS
        while not self.run(f"!!({condition})"):
            assert time.monotonic() < deadline, condition
            time.sleep(0.2)

    def click(self, element: str) -> None:
        self.wait_for(element)
        self.run(f"{element}.click()")


def _fill(page: Page, url: str, choice: str, texts: tuple[str, ...], picture: Path) -> None:
    page.call("Page.navigate", url=url)
    page.click(_BUTTON % "Resume")
    page.wait_for(f"{_AREAS}.length === {len(texts)}")
    for number, text in enumerate(texts):
        page.run(f"{_AREAS}[{number}].focus()")
        page.call("Input.insertText", text=text)
    page.run(_CHOOSE % json.dumps(choice))
    picture.write_bytes(base64.b64decode(page.call("Page.captureScreenshot")["data"]))
    page.click(_BUTTON % "Submit")
    page.wait_for(f"!({_AREAS}.length)")


def _page(profile: Path) -> str:
    """The socket of the one tab, once Chromium has said where it listens."""
    said = profile / "DevToolsActivePort"
    deadline = time.monotonic() + _SECONDS
    while not (said.exists() and said.read_text().count("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with urlopen(f"http://127.0.0.1:{said.read_text().splitlines()[0]}/json") as tabs:
        return str(next(tab for tab in json.load(tabs) if tab["type"] == "page")["webSocketDebuggerUrl"])
