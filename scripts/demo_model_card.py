"""The model card of the demo model, written from the numbers of the run that trained it."""

from __future__ import annotations

from invarlock.record import Record


class DemoMetrics(Record):
    """What a training run of the demo model measured. Loss: nats a token; perplexities: held-out text."""

    python: str
    torch: str
    train_documents: int
    train_tokens: int
    held_out_documents: int
    held_out_windows: int
    held_out_tokens: int
    dataset_hash: str
    held_out_hash: str
    parameters: int
    seq_len: int
    batch: int
    seed: int
    dropout: float
    epochs: int
    epochs_planned: int
    steps: int
    wall_minutes: float
    final_train_loss: float
    held_out_perplexity: float
    unigram_perplexity: float


_CARD = """---
language: en
license: psf-2.0
pipeline_tag: text-generation
---

# pydocs-gpt2

A language model of {parameters:,} parameters with the architecture of GPT-2 (4 layers, width 192, 6
heads, context {seq_len}, output head tied to the embedding), trained on the documentation of Python
{python}. It is the real input of the demo: small enough to ship, trained enough that its weights and
losses mean something.

## Numbers

| | |
|---|---|
| held-out perplexity, saved float16 weights | {held_out_perplexity} |
| held-out perplexity of the unigram baseline (add-one smoothed) | {unigram_perplexity} |
| training documents / tokens | {train_documents:,} / {train_tokens:,} |
| held-out documents / windows / tokens | {held_out_documents} / {held_out_windows} / {held_out_tokens:,} |
| epochs / steps (batch {batch} x {seq_len} tokens) | {epochs} of {epochs_planned} / {steps:,} |
| dropout, seed | {dropout}, {seed} |
| last training loss (nats per token) | {final_train_loss} |
| wall time | {wall_minutes} minutes on a CPU, PyTorch {torch} |
| sha256 of all documents | `{dataset_hash}` |
| sha256 of the held-out documents | `{held_out_hash}` |

The same numbers, for programs, are in metrics.json. Both perplexities are over the same predicted tokens: all
but the first of every window of {seq_len} tokens, in one byte-level BPE vocabulary of 4096.

## Data

The `python_docs` provider: the language topics of `pydoc_data.topics`, and the docstrings of the standard
library (its Python sources and a fixed list of its C modules). A document is held out when the first byte
of the SHA-256 of its name is below 64, about a quarter; neither the tokenizer nor the weights ever saw
those. A paragraph that occurs again is kept in the first document only, so the two sides share none of 80
characters or more. The text is part of Python: Copyright Python Software Foundation, under the PSF License
Agreement (https://docs.python.org/3/license.html).

## Intended use and limits

For demonstrating and testing calibration on a real trained model without a network. It continues text in
the style of Python's documentation and is good for nothing else: it knows no facts, follows no
instructions, and its answers are not to be relied on. On another Python version the documents differ a
little, so its perplexity there differs too; the split goes by name, so no document changes sides, but
which document keeps a repeated paragraph may change. Near copies (a method that two modules document in
slightly different words) may stand on both sides.

## Reproduce

    python scripts/train_demo_model.py --epochs {epochs_planned} --dropout {dropout} --seed {seed}

with Python {python}; other versions and other CPUs give slightly different weights.
"""


def render_card(metrics: DemoMetrics) -> str:
    """The card as Markdown."""
    return _CARD.format(**metrics.model_dump())
