"""Train the bundled demo model: a small GPT-2 on the documentation of the running Python.

    python scripts/train_demo_model.py --out models/pydocs-gpt2

The documents that the demo evaluates (the held-out quarter, chosen by the hash of their names) are used
neither for the tokenizer nor for the weights. After each epoch the folder holds a complete, usable model
with its numbers (metrics.json) and its card (README.md), so a run that is cut short leaves its best so far.
"""

from __future__ import annotations

import argparse
import copy
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from demo_model_card import DemoMetrics, render_card
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from invarlock.data.documents import Document, hash_documents, select_split
from invarlock.data.python_docs import read_python_docs
from invarlock.data.tokenizer import load_tokenizer
from invarlock.data.windows import Tokens, WindowPool, join_tokens, pool_windows
from invarlock.files import write_atomic, write_json

SEQ_LEN = 256
BATCH = 16
VOCABULARY = 4096
END = "<|endoftext|>"
PEAK_RATE = 2e-3


@dataclass(frozen=True)
class Corpus:
    """Training tokens as one stream, held-out windows, and how many documents each came from."""

    train_documents: int
    train: Tokens
    held_out: WindowPool
    dataset_hash: str


def train_tokenizer(documents: Sequence[Document], folder: Path) -> None:
    """A byte-level BPE tokenizer of ``documents``, saved in ``folder``."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((document.text for document in documents), trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END, eos_token=END, model_max_length=SEQ_LEN
    ).save_pretrained(folder)


def read_corpus(folder: Path) -> Corpus:
    """Train the tokenizer into ``folder`` and tokenise both sides of the split with it."""
    documents = read_python_docs()
    train = select_split(documents, "train")
    train_tokenizer(train, folder)
    tokenizer = load_tokenizer(folder)
    held_out = pool_windows(
        select_split(documents, "held_out"), tokenizer, seq_len=SEQ_LEN, provider="python_docs"
    )
    return Corpus(len(train), join_tokens(train, tokenizer), held_out, hash_documents(documents))


def new_model(dropout: float) -> GPT2LMHeadModel:
    """An untrained model of 2.6 million parameters, output head tied to the embedding."""
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=SEQ_LEN,
            n_embd=192,
            n_layer=4,
            n_head=6,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def epoch_batches(stream: Tokens, random: np.random.Generator) -> Iterator[torch.Tensor]:
    """The stream cut at a random offset into windows, shuffled, in full batches of shape (BATCH, SEQ_LEN)."""
    usable = stream[random.integers(SEQ_LEN) :]
    windows = usable[: len(usable) // SEQ_LEN * SEQ_LEN].reshape(-1, SEQ_LEN)
    order = random.permutation(len(windows))[: len(windows) // BATCH * BATCH]
    for rows in order.reshape(-1, BATCH):
        yield torch.from_numpy(windows[rows].astype(np.int64))


def make_optimizer(
    model: GPT2LMHeadModel, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW without decay on vectors, and a cosine schedule after a warm-up of 5 % of the steps."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98))
    warm = max(1, steps // 20)

    def rate(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + float(np.cos(np.pi * min(1.0, (step - warm) / max(1, steps - warm)))))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def train_epoch(
    model: GPT2LMHeadModel,
    batches: Iterator[torch.Tensor],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> tuple[int, float]:
    """One pass over the batches; returns the number of steps and the mean loss in nats per token."""
    model.train()
    losses = []
    for batch in batches:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return len(losses), float(np.mean(losses))


def perplexity_of(folder: Path, pool: WindowPool) -> float:
    """Perplexity of the saved weights on every predicted token of the pool, computed in float32."""
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(pool.windows), BATCH):
            rows = np.stack([w.tokens for w in pool.windows[start : start + BATCH]]).astype(np.int64)
            ids = torch.from_numpy(rows)
            loss = model(input_ids=ids, labels=ids).loss
            total += loss.item() * len(rows) * (SEQ_LEN - 1)
    return float(np.exp(total / (len(pool.windows) * (SEQ_LEN - 1))))


def unigram_perplexity(train: Tokens, pool: WindowPool) -> float:
    """Perplexity of add-one smoothed training frequencies on the same predicted tokens."""
    counts = np.bincount(train, minlength=VOCABULARY) + 1
    nll = -np.log(counts / counts.sum())
    predicted = np.concatenate([window.tokens[1:] for window in pool.windows])
    return float(np.exp(nll[predicted].mean()))


def save(model: GPT2LMHeadModel, folder: Path) -> None:
    """Float16 safetensors, config and generation defaults; the model in memory stays as it is."""
    copy.deepcopy(model).half().save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("models/pydocs-gpt2"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(chosen.seed)
    random = np.random.default_rng(chosen.seed)
    chosen.out.mkdir(parents=True, exist_ok=True)

    corpus = read_corpus(chosen.out)
    unigram = unigram_perplexity(corpus.train, corpus.held_out)
    model = new_model(chosen.dropout)
    planned = chosen.epochs * (len(corpus.train) // (SEQ_LEN * BATCH))
    optimizer, schedule = make_optimizer(model, planned)
    started, steps = time.monotonic(), 0
    for epoch in range(1, chosen.epochs + 1):
        taken, loss = train_epoch(model, epoch_batches(corpus.train, random), optimizer, schedule)
        steps += taken
        minutes = (time.monotonic() - started) / 60
        save(model, chosen.out)
        metrics = DemoMetrics(
            python=platform.python_version(),
            torch=torch.__version__,
            train_documents=corpus.train_documents,
            train_tokens=len(corpus.train),
            held_out_documents=corpus.held_out.texts,
            held_out_windows=len(corpus.held_out.windows),
            held_out_tokens=corpus.held_out.tokens,
            dataset_hash=corpus.dataset_hash,
            held_out_hash=corpus.held_out.dataset_hash,
            parameters=model.num_parameters(),
            seq_len=SEQ_LEN,
            batch=BATCH,
            seed=chosen.seed,
            dropout=chosen.dropout,
            epochs=epoch,
            epochs_planned=chosen.epochs,
            steps=steps,
            wall_minutes=round(minutes, 1),
            final_train_loss=round(loss, 4),
            held_out_perplexity=round(perplexity_of(chosen.out, corpus.held_out), 3),
            unigram_perplexity=round(unigram, 3),
        )
        write_json(chosen.out / "metrics.json", metrics.model_dump(mode="json"))
        write_atomic(chosen.out / "README.md", render_card(metrics).encode())
        print(
            f"epoch {epoch}: {steps} steps, {minutes:.1f} min, train loss {loss:.3f}, held-out perplexity "
            f"{metrics.held_out_perplexity} (unigram {metrics.unigram_perplexity})",
            flush=True,
        )


if __name__ == "__main__":
    main()
