import numpy as np
import pytest

from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.strict import strict_inference


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
