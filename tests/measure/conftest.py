"""Models in memory, with biases: transformers starts them at zero, where a mistake about one would not show."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.measure.models import LoadedModel, load_model
from tests.measure.tiny_models import save_tokenizer


@pytest.fixture
def loaded(saved: Callable[[str], Path], tmp_path: Path) -> Callable[..., LoadedModel]:
    def load(name: str, dtype: str = "float32") -> LoadedModel:
        folder = tmp_path / name
        if not folder.exists():
            shutil.copytree(saved(name), folder)
            save_tokenizer(folder)
        return load_model(open_checkpoint(str(folder)), model_digest=f"digest of {name}", dtype=dtype)

    return load


@pytest.fixture
def lively(loaded: Callable[..., LoadedModel]) -> Callable[..., LoadedModel]:
    """A loaded model with larger weights and random biases, so that every branch matters to the loss."""

    def load(name: str, dtype: str = "float32") -> LoadedModel:
        model = loaded(name, dtype)
        torch.manual_seed(1)
        with torch.no_grad():
            for path, parameter in model.module.named_parameters():
                if path.endswith("bias"):
                    parameter.normal_(std=0.3)
                elif parameter.dim() > 1 and path != "shared.weight":  # a T5 starts with that at 1
                    parameter.mul_(4)
        return model

    return load


@pytest.fixture
def one_thread() -> Iterator[None]:
    yield from _threads(1)


@pytest.fixture
def two_threads() -> Iterator[None]:
    yield from _threads(2)


def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)
