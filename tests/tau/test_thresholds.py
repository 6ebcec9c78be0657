import numpy as np
import pytest
import torch

from invarlock.tau.errors import TauError
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.strict import strict_inference
from invarlock.tau.wrapper import SCMInferenceWrapper
from tests.tau.heads import RationalHead


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8"])
def test_the_order_of_bytes_is_no_other_type(dtype):
    p, q = np.ones(4, dtype), np.array([0.0, 1e-4, 0.5, np.inf], dtype)
    config = InferenceConfig(1e-3)
    native = dtype.replace(">", "=")
    for found, expected in zip(
        strict_inference(p, q, config),
        strict_inference(p.astype(native), q.astype(native), config),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_a_tau_of_another_dtype_is_refused_by_every_gate():
    config = InferenceConfig(0.01, gate_dtype="float64")
    wrapped = SCMInferenceWrapper(RationalHead(), config).eval()
    says = "calibrated for a float64 gate, and Q is float32"
    with pytest.raises(TauError, match=says):
        strict_inference(np.ones(2, np.float32), np.ones(2, np.float32), config)
    with pytest.raises(TauError, match=says):
        wrapped(torch.ones(2, 2))
    assert strict_inference(np.ones(2), np.ones(2), config).decoded.tolist() == [1, 1]
    assert wrapped(torch.ones(2, 2, dtype=torch.float64))[0].tolist() == [1, 1]
