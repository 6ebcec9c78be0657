from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from invarlock.tau.bundle import export_bundle
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.wrapper import SCMInferenceWrapper
from tests.tau.heads import RationalHead

TAUS = (1e-5, 1e-4)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The bundle of a head whose P and Q are its inputs, once a session and dtype. Not to be changed."""
    root = tmp_path_factory.mktemp("bundles")

    def folder(dtype: str) -> Path:
        if not (root / dtype).exists():
            wrapped = SCMInferenceWrapper(RationalHead(), InferenceConfig(*TAUS))
            export_bundle(wrapped, (torch.ones(1, 2, dtype=getattr(torch, dtype)),), root / dtype)
        return root / dtype

    return folder
