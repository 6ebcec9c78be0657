"""A null sweep small enough for a test, on the shipped model."""

from __future__ import annotations

from pathlib import Path

from invarlock.calibration.null_request import NullSweepRequest
from invarlock.policy.schema import Tier

CONFIG = """
basis: demo
model: {id: "bundled:pydocs-gpt2", device: cpu}
dataset: {provider: local_text, paths: "%s", seq_len: 32}
edit: {name: noop}
eval: {preview_n: %d, final_n: %d}
"""


def text(paragraphs: int) -> str:
    """Distinct paragraphs of some 50 tokens."""
    return "\n\n".join(
        f"Paragraph {n}: the {n}th function returns {n * n} when it is called with {n}, and raises ValueError "
        f"if {n} is not in the list of {n + 3} known names."
        for n in range(paragraphs)
    )


def write_config(folder: Path, windows: int = 6) -> Path:
    """A config with ``windows`` preview and as many final windows, and text enough for them."""
    place = folder / f"text_{windows}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "text.txt").write_text(text(20 * windows))
    config = folder / f"sweep_{windows}.yaml"
    config.write_text(CONFIG % (place, windows, windows))
    return config


def request(folder: Path, name: str = "out", *, windows: int = 6, **changes: object) -> NullSweepRequest:
    """Two tiers and two seeds, results in ``folder/name``."""
    values: dict[str, object] = {
        "config": write_config(folder, windows),
        "out": folder / name,
        "tiers": (Tier.BALANCED, Tier.CONSERVATIVE),
        "seeds": (1, 2),
        "profile": "dev",
    }
    return NullSweepRequest.model_validate(values | changes)


def stable_tree(out: Path) -> dict[str, bytes]:
    """Every file but those with volatile fields, by path."""
    volatile = {"null_sweep_report.json", "manifest.json"}
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.name not in volatile)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}
