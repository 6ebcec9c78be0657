from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from invarlock.data.hub_text import join_articles, read_hf_text

HAS_DATASETS = importlib.util.find_spec("datasets") is not None


def test_articles_start_at_top_headings() -> None:
    rows = ["", " = One = \n", "", " text\n", " = = Part = = \n", " more\n", " = Two = \n", " end\n"]
    assert list(join_articles(rows)) == [
        "",
        " = One = \n text\n = = Part = = \n more\n",
        " = Two = \n end\n",
    ]


def test_hub_data_while_the_network_is_off_fail_at_once(tmp_path: Path) -> None:
    code = (
        "from invarlock.data.hub_text import read_wikitext2\n"
        "from invarlock.errors import DataError\n"
        "import time\n"
        "start = time.monotonic()\n"
        "try: list(read_wikitext2('validation', allow_network=False))\n"
        "except DataError as error: print(error)\n"
        "import os; print(os.environ['HF_HUB_OFFLINE'], os.environ['HF_DATASETS_OFFLINE'])\n"
    )
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path), "HF_HOME": str(tmp_path)}
    for name in ("INVARLOCK_ALLOW_NETWORK", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        environment.pop(name, None)
    start = time.monotonic()
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert time.monotonic() - start < 30
    assert ("INVARLOCK_ALLOW_NETWORK=1" if HAS_DATASETS else "pip install") in shown
    assert shown.endswith("1 1\n")


@pytest.mark.skipif(not HAS_DATASETS, reason="the optional package datasets is not installed")
def test_rows_of_a_data_set_on_disk(tmp_path: Path) -> None:
    rows = [json.dumps({"body": text, "n": 1}) for text in ("one", "two")]
    (tmp_path / "validation.jsonl").write_text("\n".join(rows))
    found = list(read_hf_text(str(tmp_path), None, "validation", "body", allow_network=False))
    assert [(d.id, d.text) for d in found] == [("validation/0", "one"), ("validation/1", "two")]
