"""A small model of the Llama architecture (RMSNorm, no biases, grouped keys, untied head), trained in seconds.

Its embedding and head start as the demo model's, so a hundred steps take it well below the perplexity of word
frequencies: enough for damage to show in its losses.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.faults.anatomy import LLAMA
from benchmarks.faults.subject_folder import WEIGHTS
from invarlock.data.documents import select_split
from invarlock.data.python_docs import read_python_docs
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import Tokens, join_tokens

STEPS, BATCH, LENGTH, PEAK_RATE = 120, 8, 128, 4e-3


def train_llama(demo: Path, folder: Path) -> Path:
    """Train it on the side of the documentation that no evaluation reads, with the tokenizer of ``demo``."""
    torch.manual_seed(0)
    table = load_file(demo / WEIGHTS)["transformer.wte.weight"].float()
    model = LlamaForCausalLM(llama_config(*table.shape))
    model.model.embed_tokens.weight.data.copy_(table)
    model.lm_head.weight.data.copy_(table)
    stream = join_tokens(select_split(read_python_docs(), "train"), load_tokenizer(demo))
    _train(model, stream)
    model.eval().save_pretrained(folder)
    for path in demo.glob("tokenizer*"):
        shutil.copy(path, folder)
    return folder


def llama_config(vocabulary: int, width: int) -> LlamaConfig:
    """Its shape: what :data:`LLAMA` names."""
    heads = width // LLAMA.head_width
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=len(LLAMA.blocks),
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        max_position_embeddings=LENGTH,
        tie_word_embeddings=LLAMA.tied,
        bos_token_id=0,
        eos_token_id=0,
    )


def _train(model: LlamaForCausalLM, stream: Tokens) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=STEPS, pct_start=0.1)
    draw = np.random.default_rng(0)
    for _ in range(STEPS):
        starts = draw.integers(len(stream) - LENGTH, size=BATCH)
        batch = torch.from_numpy(np.stack([stream[at : at + LENGTH] for at in starts]).astype(np.int64))
        optimizer.zero_grad()
        model(input_ids=batch, labels=batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
