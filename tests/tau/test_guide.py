"""The guide's Python, run as it is printed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch

from invarlock.tau.bundle_load import load_bundle
from tests.calibration.tau_samples import drawn
from tests.tau.heads import RationalHead

GUIDE = Path(__file__).parents[2] / "docs" / "tau.md"


def snippet(holding: str) -> str:
    """The one block of Python in the guide with ``holding`` in it."""
    (found,) = [
        block for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.S) if holding in block
    ]
    return str(found)


@pytest.mark.slow
def test_from_samples_to_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    q_abs, labels = drawn(4000)
    table = {"q_abs": q_abs, "is_in_range": labels, "id": np.arange(q_abs.size)}
    pyarrow.parquet.write_table(pyarrow.table(table), "held_out.parquet")
    x = torch.ones(3, 2)
    known = {
        "q_abs_held_out": q_abs,
        "is_in_range": labels,
        "files": [("held_out.parquet", "held_out.parquet")] * 2,
        "taus": [1e-3, 1e-2],
        "model": RationalHead(),
        "x": x,
        "x_example": x,
    }
    for holding in ("write_tau_infer_sweep(", "sweep_of(", "calibrate_tau_infer(", "wrapped.eval()"):
        exec(snippet(holding), known)
    known["x"] = x.numpy()  # for onnxruntime
    exec(snippet("export_bundle(\n"), known)
    bundle = load_bundle("bundle_dir")
    assert bundle.metadata.tau_infer == known["found"].recommendation.tau_infer  # type: ignore[attr-defined]
