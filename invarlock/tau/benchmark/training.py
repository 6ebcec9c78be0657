"""Training a small network so that equal arguments give equal bits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from invarlock.tau.gate_dtype import Floats

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_BATCH = 256
_RATE = 2e-2
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # CUDA's matrix products are deterministic only with one of fixed size


@dataclass(frozen=True)
class Training:
    """seed: of the weights and of the order of samples; width: of both hidden layers; device: ``cpu`` or ``cuda``."""

    seed: int
    steps: int
    width: int
    device: str


@contextmanager
def deterministic() -> Iterator[None]:
    """Only deterministic kernels and one thread inside the block.

    The caller's settings come back, and torch's random state, on the CPU and on every CUDA device.
    """
    workspace, threads = os.environ.get(_WORKSPACE), torch.get_num_threads()
    strict, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    os.environ[_WORKSPACE] = workspace or ":4096:8"
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warn_only)
        torch.set_num_threads(threads)
        if workspace is None:
            del os.environ[_WORKSPACE]
        else:
            os.environ[_WORKSPACE] = workspace


def train(features: Floats, targets: Floats, how: Training, loss: Loss) -> Callable[[Floats], Floats]:
    """Fit a network of two hidden layers and hand over its prediction, on float32 arrays.

    features: (n, k); targets: (n, m); loss: of predictions and targets, both (batch, m). To be called inside
    :func:`deterministic`.
    """
    torch.manual_seed(how.seed)
    net = _network(features.shape[1], how.width, targets.shape[1]).to(how.device)
    mean, scale = features.mean(axis=0), features.std(axis=0)

    def on_device(array: Floats) -> torch.Tensor:
        return torch.from_numpy(array.astype(np.float32)).to(how.device)

    inputs, wanted = on_device((features - mean) / scale), on_device(targets)
    optimizer = torch.optim.Adam(net.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=how.steps)
    for _ in range(how.steps):
        rows = torch.randint(len(inputs), (_BATCH,)).to(how.device)
        optimizer.zero_grad()
        loss(net(inputs[rows]), wanted[rows]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()

    def predict(others: Floats) -> Floats:
        with torch.no_grad():
            predicted: Floats = net(on_device((others - mean) / scale)).cpu().numpy()
        return predicted

    return predict


def _network(inputs: int, width: int, outputs: int) -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(inputs, width),
        torch.nn.Tanh(),
        torch.nn.Linear(width, width),
        torch.nn.Tanh(),
        torch.nn.Linear(width, outputs),
    )
