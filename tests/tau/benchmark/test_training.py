from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from invarlock.tau.benchmark.assay import draw_readings
from invarlock.tau.benchmark.heads import HEADS
from invarlock.tau.benchmark.training import Training, deterministic

HOW = Training(seed=0, steps=150, width=16, device="cpu")


def test_settings_and_random_state_of_the_caller_come_back() -> None:
    threads, before = torch.get_num_threads(), torch.get_rng_state()
    with deterministic():
        assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (1, True)
        torch.manual_seed(99)
        torch.rand(3)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workspace", [None, ":16:8"])
def test_the_surroundings_come_back(monkeypatch: pytest.MonkeyPatch, workspace: str | None) -> None:
    name = "CUBLAS_WORKSPACE_CONFIG"
    if workspace is None:
        monkeypatch.delenv(name, raising=False)
    else:
        monkeypatch.setenv(name, workspace)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with deterministic():
            assert os.environ[name] == (workspace or ":4096:8")
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert os.environ.get(name) == workspace


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_the_random_state_of_every_device_comes_back() -> None:
    before = torch.cuda.get_rng_state_all()
    with deterministic():
        torch.manual_seed(99)
    for one, same in zip(torch.cuda.get_rng_state_all(), before, strict=True):
        assert torch.equal(one, same)


@pytest.mark.parametrize("name", sorted(HEADS))
def test_a_head_decodes_doses_in_range_and_names_the_side_of_the_others(name: str) -> None:
    training, others = draw_readings(0, "training", 2_000), draw_readings(0, "others", 2_000)
    with deterministic():
        said = HEADS[name](training, others, HOW)
        again = HEADS[name](training, others, HOW)
    for one, same in zip(said, again, strict=True):
        assert one.dtype == np.float32
        assert one.shape == (2_000,)
        np.testing.assert_array_equal(one, same)
    middle = np.abs(others.log_dose * others.features[:, 1]) < 0.5
    spread = np.std(others.log_dose[middle])
    assert np.mean(np.abs(said.p / said.q - others.log_dose)[middle]) < spread
    censored = ~others.is_in_range
    assert np.mean(np.sign(said.direction) == others.side, where=censored) > 0.99
    # |Q| falls towards the plateaus: that is what a threshold can work with.
    assert np.median(np.abs(said.q)[censored]) < np.median(np.abs(said.q)[~censored])
