"""Peak memory of the weight statistics of a checkpoint of about 3 GB, against its largest tensor.

    python -m benchmarks.streaming_memory

A random Llama-shaped bfloat16 checkpoint is written shard by shard into a temporary folder, measured in a
process of its own, and removed. The bound: peak resident memory over the bare imports <= 4 x the largest
tensor in float32 + 300 MB.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmarks.peak_memory import MB, peak_mb
from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.measure.sigma_max import CONVERGED
from invarlock.measure.weights import measure_weights
from invarlock.store.measurement_store import MeasurementStore

HIDDEN, INTERMEDIATE, LAYERS, VOCABULARY = 2560, 6912, 16, 32000
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": INTERMEDIATE,
    "num_hidden_layers": LAYERS,
    "vocab_size": VOCABULARY,
    "tie_word_embeddings": False,
}
ALLOWED_MULTIPLE, ALLOWED_REST_MB = 4, 300


def shards() -> dict[str, dict[str, tuple[int, ...]]]:
    """Shapes by shard and tensor name."""
    attention = {f"self_attn.{part}_proj": (HIDDEN, HIDDEN) for part in "qkvo"}
    ffn = {f"mlp.{part}_proj": (INTERMEDIATE, HIDDEN) for part in ("gate", "up")}
    layer = {**attention, **ffn, "mlp.down_proj": (HIDDEN, INTERMEDIATE), "input_layernorm": (HIDDEN,)}
    named = {
        f"layer-{i}": {f"model.layers.{i}.{name}.weight": shape for name, shape in layer.items()}
        for i in range(LAYERS)
    }
    ends = dict.fromkeys(("model.embed_tokens.weight", "lm_head.weight"), (VOCABULARY, HIDDEN))
    return named | {"ends": ends | {"model.norm.weight": (HIDDEN,)}}


def write_checkpoint(folder: Path) -> float:
    """Write the checkpoint, a shard in memory at a time. Returns the largest tensor's size in float32, MB."""
    generator = torch.Generator().manual_seed(0)
    weight_map: dict[str, str] = {}
    largest = 0
    for shard, shapes in shards().items():
        tensors = {
            name: (0.02 * torch.randn(shape, generator=generator)).to(torch.bfloat16)
            for name, shape in shapes.items()
        }
        save_file(tensors, folder / f"{shard}.safetensors")
        weight_map |= dict.fromkeys(shapes, f"{shard}.safetensors")
        largest = max(largest, *(tensor.numel() for tensor in tensors.values()))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return largest * 4 / MB


def measure(folder: Path) -> None:
    """Measure ``folder``; print peak memory over the imports (MB) and seconds. Runs in its own process."""
    imports = peak_mb()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as store:
        measure_weights(open_checkpoint(str(folder)), MeasurementStore(Path(store)), CONVERGED)
    print(peak_mb() - imports, time.perf_counter() - start)


def main() -> None:
    """Write, measure in a fresh process, print one table row; exit 1 when the bound is broken."""
    with tempfile.TemporaryDirectory() as folder:
        largest = write_checkpoint(Path(folder))
        size_gb = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e9
        child = [sys.executable, "-m", "benchmarks.streaming_memory", folder]
        done = subprocess.run(child, capture_output=True, text=True, check=True)
    peak, seconds = (float(value) for value in done.stdout.split())
    bound = ALLOWED_MULTIPLE * largest + ALLOWED_REST_MB
    print("| checkpoint GB | largest tensor fp32 MB | peak over imports MB | bound MB | ratio to bound | s |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {size_gb:.2f} | {largest:.0f} | {peak:.0f} | {bound:.0f} | {peak / bound:.2f} | {seconds:.0f} |"
    )
    sys.exit(peak > bound)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
    else:
        main()
