from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from invarlock.digests import sha256_hex
from invarlock.tau.bundle import export_bundle
from invarlock.tau.bundle_record import Calibration, Gauge
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.requirement import Requirement
from invarlock.tau.wrapper import SCMInferenceWrapper
from tests.tau.heads import RationalHead

TAUS = (1e-5, 1e-4)
GAUGE = Gauge(head="tiny", normalisation="inputs standardised")
CALIBRATION = Calibration(
    sweep_sha256=sha256_hex(b"sweep"),
    dtype=GateDtype.FLOAT32,
    requirement=Requirement(max_fp=0.01),
    split="held_out",
    tau_infer=1e-5,
)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The bundle of a head whose P and Q are its inputs, once a session and dtype. Not to be changed."""
    root = tmp_path_factory.mktemp("bundles")

    def folder(dtype: str) -> Path:
        if not (root / dtype).exists():
            wrapped = SCMInferenceWrapper(RationalHead(), InferenceConfig(*TAUS))
            x = torch.ones(1, 2, dtype=getattr(torch, dtype))
            calibration = CALIBRATION.model_copy(update={"dtype": GateDtype(dtype)})
            export_bundle(wrapped, (x,), root / dtype, gauge=GAUGE, calibration=calibration)
        return root / dtype

    return folder
