"""Sweeps small enough for a test, on the shipped model or on a copy of one's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from invarlock.calibration.full_request import FullRequest
from invarlock.calibration.null_request import NullSweepRequest
from invarlock.calibration.rmt_request import RmtSweepRequest
from invarlock.calibration.ve_request import VeSweepRequest
from invarlock.calibration.window_plan_request import WindowPlanRequest
from invarlock.home import shipped
from invarlock.policy.schema import Tier

CONFIG = """
basis: demo
model: {id: "%s", device: cpu}
dataset: {provider: local_text, paths: ["%s"], seq_len: 32}
edit: %s
eval: {preview_n: %d, final_n: %d}
"""


def text(paragraphs: int) -> str:
    """Distinct paragraphs of some 50 tokens."""
    return "\n\n".join(
        f"Paragraph {n}: the {n}th function returns {n * n} when it is called with {n}, and raises ValueError "
        f"if {n} is not in the list of {n + 3} known names."
        for n in range(paragraphs)
    )


def write_model(folder: Path, factor: float = 1.01) -> Path:
    """The shipped model, every weight times ``factor``: nothing that another test measured is known of it."""
    model = folder / "model"
    if not model.exists():
        shutil.copytree(shipped("models/pydocs-gpt2"), model)
        larger = {name: tensor * factor for name, tensor in load_file(model / "model.safetensors").items()}
        save_file(larger, model / "model.safetensors", metadata={"format": "pt"})
    return model


NOOP = "{name: noop}"
CLIPPED = (
    "{name: quant_rtn, plan: {bitwidth: 3, clamp_ratio: 0.1}}"  # far enough off that scales are proposed
)


def write_config(
    folder: Path, windows: int = 6, model: str = "bundled:pydocs-gpt2", edit: str = NOOP
) -> Path:
    """A config with ``windows`` preview and as many final windows, and text enough for them."""
    place = folder / f"text_{windows}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "text.txt").write_text(text(20 * windows))
    config = folder / (f"sweep_{windows}.yaml" if edit == NOOP else f"edited_{windows}.yaml")
    config.write_text(CONFIG % (model, place, edit, windows, windows))
    return config


def request(
    folder: Path, name: str = "out", *, windows: int = 6, factor: float = 1.01, **changes: object
) -> NullSweepRequest:
    """Two tiers and two seeds of a model of the folder's own, results in ``folder/name``."""
    values: dict[str, object] = {
        "config": write_config(folder, windows, str(write_model(folder, factor))),
        "out": folder / name,
        "tiers": (Tier.BALANCED, Tier.CONSERVATIVE),
        "seeds": (1, 2),
        "profile": "dev",
    }
    return NullSweepRequest.model_validate(values | changes)


def rmt_request(folder: Path, name: str = "rmt", *, windows: int = 9, **changes: object) -> RmtSweepRequest:
    """Two tiers and three seeds of a model of the folder's own; windows: of preview, and of final.

    Under a redraw attention falls in all three and the other families rise in some.
    """
    values: dict[str, object] = {
        "config": write_config(folder, windows, str(write_model(folder, 1.02))),
        "out": folder / name,
        "tiers": (Tier.BALANCED, Tier.CONSERVATIVE),
        "seeds": (4, 5, 6),
        "profile": "dev",
    }
    return RmtSweepRequest.model_validate(values | changes)


def ve_request(folder: Path, name: str = "ve", *, edit: str = CLIPPED, **changes: object) -> VeSweepRequest:
    """Two tiers, three seeds and two window counts on an edited model of the folder's own."""
    values: dict[str, object] = {
        "config": write_config(folder, 6, str(write_model(folder, 1.03)), edit),
        "out": folder / name,
        "tiers": (Tier.BALANCED, Tier.CONSERVATIVE),
        "seeds": (1, 2, 3),
        "windows": (6, 8),
        "profile": "dev",
    }
    return VeSweepRequest.model_validate(values | changes)


def window_request(folder: Path, name: str = "windows", **changes: object) -> WindowPlanRequest:
    """Two tiers and 40 windows of a model of the folder's own and its quantized form."""
    values: dict[str, object] = {
        "config": write_config(folder, 6, str(write_model(folder, 1.04)), CLIPPED),
        "out": folder / name,
        "tiers": (Tier.BALANCED, Tier.CONSERVATIVE),
        "seeds": (3,),
        "profile": "dev",
        "windows": 40,
    }
    return WindowPlanRequest.model_validate(values | changes)


def full_request(folder: Path, name: str = "all", **changes: object) -> FullRequest:
    """Two tiers and two seeds of a model of the folder's own and its quantized form."""
    values: dict[str, object] = {
        "config": write_config(folder, 3, str(write_model(folder, 1.05)), CLIPPED),
        "out": folder / name,
        "tiers": (Tier.BALANCED, Tier.CONSERVATIVE),
        "seeds": (1, 2),
        "profile": "dev",
    }
    return FullRequest.model_validate(values | changes)


def stable_tree(out: Path) -> dict[str, object]:
    """Every file by path, without what the manifest names as volatile (``file: key.key``)."""
    tree: dict[str, object] = {}
    volatile = json.loads((out / "manifest.json").read_bytes())["volatile_fields"]
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = path.relative_to(out).as_posix()
        fields = [field.removeprefix(f"{name}: ") for field in volatile if field.startswith(f"{name}: ")]
        tree[name] = _without(json.loads(path.read_bytes()), fields) if fields else path.read_bytes()
    return tree


def _without(record: dict[str, dict[str, object]], fields: list[str]) -> object:
    for field in fields:
        key, _, rest = field.partition(".")
        if rest:
            del record[key][rest]
        else:
            del record[key]
    return record
