"""The bundled model is what its card says: numbers from its own metrics, perplexity measured again here."""

from __future__ import annotations

import importlib.util
import json
import platform
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import WindowPool, build_pool
from invarlock.home import shipped

FOLDER = shipped("models/pydocs-gpt2")
METRICS = json.loads((FOLDER / "metrics.json").read_text())
SPEC = DatasetSpec.model_validate({"provider": "python_docs", "seq_len": METRICS["seq_len"]})


@pytest.fixture(scope="module")
def held_out() -> WindowPool:
    return build_pool(SPEC, load_tokenizer(FOLDER))


def perplexity(pool: WindowPool, chosen: np.ndarray[Any, Any]) -> float:
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32, local_files_only=True).eval()
    ids = torch.from_numpy(np.stack([pool.windows[index].tokens for index in chosen]).astype(np.int64))
    with torch.inference_mode():
        logits = model(ids).logits[:, :-1].log_softmax(-1)
    return float(torch.exp(-logits.gather(-1, ids[:, 1:, None]).mean()))


def card_script() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "demo_model_card.py"
    spec = importlib.util.spec_from_file_location("demo_model_card", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_small_enough_to_ship() -> None:
    assert sum(file.stat().st_size for file in FOLDER.glob("*.safetensors")) <= 6_000_000


def test_card_is_rendered_from_the_metrics() -> None:
    script = card_script()
    card = (FOLDER / "README.md").read_text()
    assert card == script.render_card(script.DemoMetrics.model_validate(METRICS))
    for name in ("held_out_perplexity", "unigram_perplexity", "held_out_documents", "python", "dataset_hash"):
        assert re.search(rf"(?<![\d.]){re.escape(str(METRICS[name]))}(?![\d.]*\d)", card), name


def test_perplexity_is_far_below_unigram_and_near_the_card(held_out: WindowPool) -> None:
    sample = np.random.default_rng(0).choice(len(held_out.windows), size=24, replace=False)
    measured = perplexity(held_out, sample)
    # Mean losses of windows scatter by about 0.5 nats, so 24 of them give 0.1: four of those.
    assert abs(np.log(measured) - np.log(METRICS["held_out_perplexity"])) < 0.4
    assert measured < METRICS["unigram_perplexity"] / 4


@pytest.mark.slow
@pytest.mark.skipif(
    platform.python_version() != METRICS["python"], reason="another Python has another documentation"
)
def test_perplexity_of_all_held_out_windows_is_the_card_s(held_out: WindowPool) -> None:
    assert held_out.dataset_hash == METRICS["held_out_hash"]
    assert len(held_out.windows) == METRICS["held_out_windows"]
    groups = np.array_split(np.arange(len(held_out.windows)), 40)
    total = sum(np.log(perplexity(held_out, group)) * len(group) for group in groups)
    assert np.exp(total / len(held_out.windows)) == pytest.approx(METRICS["held_out_perplexity"], rel=1e-3)
