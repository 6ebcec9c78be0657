"""Checkpoints that hold more than their language model runs, as transformers and early checkpoints save them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.guards.report import Verdict
from invarlock.guards.rmt import judge_rmt
from invarlock.measure.edge_risk import measure_edge_risk
from invarlock.measure.edge_sites import edge_sites
from invarlock.measure.models import load_model
from invarlock.policy.rmt import RmtPolicy
from invarlock.store.measurement_store import MeasurementStore
from tests.measure.random_windows import windows_for
from tests.measure.tiny_models import build, save, save_tokenizer


def bert_for_pre_training(folder: Path) -> None:
    torch.manual_seed(0)
    hf.BertForPreTraining(build("bert").config).save_pretrained(folder)
    save_tokenizer(folder)


def early_t5(folder: Path) -> None:
    weights = save("t5", folder) / "model.safetensors"
    tensors = load_file(weights)
    own = "SelfAttention.relative_attention_bias.weight"
    bias = tensors[f"decoder.block.0.layer.0.{own}"]
    tensors["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = bias.clone()
    save_file(tensors, weights, {"format": "pt"})


@pytest.mark.parametrize(
    ("name", "write", "absent"),
    [
        ("bert", bert_for_pre_training, {"bert.pooler.dense", "cls.seq_relationship"}),
        ("t5", early_t5, {"decoder.block.0.layer.1.EncDecAttention.relative_attention_bias"}),
    ],
)
def test_heads_that_no_language_model_runs_do_not_block(
    tmp_path: Path, store: MeasurementStore, name: str, write: Callable[[Path], None], absent: set[str]
) -> None:
    write(tmp_path / "model")
    checkpoint = open_checkpoint(str(tmp_path / "model"))
    model = load_model(checkpoint, model_digest="0" * 64, dtype="float32", device="cpu")
    record = measure_edge_risk(model, windows_for(name, 2), edge_sites(checkpoint), store)
    assert {site.module for site in record.absent} == absent
    report = judge_rmt(record, record, RmtPolicy())
    assert report.verdict is Verdict.ALLOW
    assert absent <= set(report.diagnostics[-1].replace(",", "").replace(":", "").split())
