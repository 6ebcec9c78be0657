"""The one model in memory: an edit is laid over it only if it gives the weights that were measured."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from invarlock.calibration.sweep_plan import Arithmetic
from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.config import Dtype
from invarlock.edits.plan import plan_edit
from invarlock.errors import ModelError
from invarlock.measure.identity import identify_model
from invarlock.measure.sigma_max import CONVERGED
from invarlock.measure.variant import measure_variant
from invarlock.store.measurement_store import MeasurementStore
from tasks.resources import live_variant

MODEL = "bundled:pydocs-gpt2"
WEIGHT = "transformer.h.0.mlp.c_proj.weight"
CPU = Arithmetic(dtype=Dtype.FLOAT32, device="cpu", batch_size=None)


def test_weights_that_were_not_measured_do_not_run(tmp_path: Path) -> None:
    identity = identify_model(MODEL)
    base, store = open_checkpoint(identity.root), MeasurementStore(tmp_path)
    plan = {"module_selectors": ["transformer.h.0.mlp.c_proj"]}
    measured, other = (plan_edit("quant_rtn", {**plan, "bitwidth": bits}, base) for bits in (3, 2))
    assert measured is not None
    assert other is not None
    weights = measure_variant(base, identity.digest, measured, store, CONVERGED).weights
    with live_variant(identity, None, weights, CPU) as live:
        before = live.module.get_parameter(WEIGHT).clone()
    with (
        pytest.raises(ModelError, match=r"not those that were measured\n.*h\.0\.mlp\.c_proj"),
        live_variant(identity, other, weights, CPU),
    ):
        pass
    with live_variant(identity, measured, weights, CPU) as live:
        edited = live.module.get_parameter(WEIGHT)
        assert torch.equal(
            edited,
            measured.apply(WEIGHT, base.read(WEIGHT)).float(),
        )
        assert live.variant_digest == identity.behaviour(weights.model_digest)
    with live_variant(identity, None, weights, CPU) as live:
        assert torch.equal(live.module.get_parameter(WEIGHT), before)
