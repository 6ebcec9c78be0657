import dataclasses
import math
import pickle

import numpy as np
import pytest

from invarlock.errors import InvarlockError
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig


def test_defaults_are_the_designs():
    config = InferenceConfig()
    assert (config.tau_infer, config.tau_train) == (1e-6, None)


def test_is_frozen_and_a_value():
    config = InferenceConfig(tau_infer=1e-5, tau_train=1e-4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.tau_infer = 1.0
    assert config == InferenceConfig(np.float64(1e-5), 1e-4)
    assert pickle.loads(pickle.dumps(config)) == config


def test_the_gates_dtype_may_be_named():
    assert InferenceConfig().gate_dtype is None
    assert InferenceConfig(gate_dtype="float32").gate_dtype is GateDtype.FLOAT32
    for name in ("int8", "float", 32):
        with pytest.raises(TauError, match=f"gate_dtype {name!r} is none of float16, bfloat16"):
            InferenceConfig(gate_dtype=name)


def test_the_ends_may_meet():
    assert InferenceConfig(1e-5, 1e-5).tau_train == 1e-5


@pytest.mark.parametrize("value", [0, 0.0, -1e-6, math.nan, math.inf, 10**400, "1e-5", True, None, 1j])
def test_tau_infer_must_be_finite_and_above_0(value):
    with pytest.raises(TauError, match="tau_infer") as error:
        InferenceConfig(tau_infer=value)
    assert isinstance(error.value, ValueError)
    assert isinstance(error.value, InvarlockError)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, 9e-6, "x", False])
def test_tau_train_must_be_finite_and_not_below_tau_infer(value):
    with pytest.raises(TauError, match="tau_train"):
        InferenceConfig(tau_infer=1e-5, tau_train=value)
