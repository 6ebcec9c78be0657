import math

import ml_dtypes
import numpy as np
import pytest
import torch

from invarlock.tau.errors import TauError
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.strict import StrictInference, strict_inference
from invarlock.tau.strict_torch import strict_inference_torch
from tests.tau.hard_values import hard_pairs
from tests.tau.strict_by_hand import FORMATS, strict_by_hand

TAUS = [(1e-5, 1e-4), (1e-6, None), (0.1, 0.1), (2.0**-14, 0.3), (1 / 3, 2 / 3)]


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    if tensor.dtype is torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def by_hand(p: torch.Tensor, q: torch.Tensor, taus: tuple, dtype: str) -> StrictInference[np.ndarray]:
    samples = [
        strict_by_hand(*pair, *taus, dtype)
        for pair in zip(p.double().tolist(), q.double().tolist(), strict=True)
    ]
    return StrictInference(*(np.array(column) for column in zip(*samples, strict=True)))


def assert_same(result: StrictInference, expected: StrictInference[np.ndarray]) -> None:
    for name, values, others in zip(StrictInference._fields, result, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(values, dtype=np.float64), others.astype(np.float64), name)


@pytest.mark.parametrize("taus", TAUS)
@pytest.mark.parametrize("dtype", FORMATS)
def test_gates_agree_with_fractions_on_hard_values(dtype, taus):
    p, q = hard_pairs(dtype, tuple(tau for tau in taus if tau is not None))
    expected = by_hand(p, q, taus, dtype)
    config = InferenceConfig(*taus)
    ours = strict_inference(as_numpy(p), as_numpy(q), config)
    theirs = strict_inference_torch(p, q, config)
    assert_same(ours, expected)
    assert_same(StrictInference(*(part.double() for part in theirs)), expected)
    assert set(np.unique(ours.bottom_provenance)) == {0, 1, 2, 3}
    assert ours.decoded.dtype.name == str(theirs.decoded.dtype).removeprefix("torch.") == dtype
    assert ours.bottom_provenance.dtype == np.uint8
    assert theirs.bottom_provenance.dtype is torch.uint8
    assert all(mask.dtype == np.bool_ for mask in ours[1:5])


@pytest.mark.parametrize("dtype", FORMATS)
def test_gates_agree_with_fractions_on_random_bits(dtype):
    width = torch.finfo(getattr(torch, dtype)).bits
    bits = np.random.default_rng(7).integers(0, 2**width, size=(2, 2000), dtype=np.uint64)
    kind = {16: np.int16, 32: np.int32, 64: np.int64}[width]
    p, q = torch.from_numpy(bits.astype(f"u{width // 8}").view(kind)).view(getattr(torch, dtype))
    expected = by_hand(p, q, (1e-3, 1.0), dtype)
    config = InferenceConfig(1e-3, 1.0)
    assert_same(strict_inference(as_numpy(p), as_numpy(q), config), expected)
    assert_same(StrictInference(*(part.double() for part in strict_inference_torch(p, q, config))), expected)


def test_a_tie_at_tau_is_decoded_and_the_next_value_below_is_not():
    tau = np.float32(1e-5)
    q = np.array([tau, np.nextafter(tau, np.float32(0)), -tau])
    result = strict_inference(np.ones_like(q), q, InferenceConfig(1e-5))
    assert result.bottom_mask.tolist() == [False, True, False]


def test_float32_is_cut_at_the_float32_of_tau():
    q = np.array([1e-5], dtype=np.float32)
    assert float(q[0]) < 1e-5  # as a float64 it would be below
    assert not strict_inference(q, q, InferenceConfig(1e-5)).bottom_mask[0]


def test_any_shape_and_none_at_all():
    for shape in [(), (0,), (2, 0), (2, 3, 4)]:
        result = strict_inference(np.ones(shape), np.ones(shape), InferenceConfig())
        assert {part.shape for part in result} == {shape}


@pytest.mark.parametrize(
    ("dtype", "smallest"), [("float16", 2.0**-24), ("bfloat16", 2.0**-133), ("float32", 2.0**-149)]
)
def test_a_tau_that_underflows_is_an_error_and_the_smallest_is_not(dtype, smallest):
    q = torch.zeros(1, dtype=getattr(torch, dtype))
    strict_inference_torch(q, q, InferenceConfig(smallest))
    with pytest.raises(TauError, match=f"underflows to 0 in {dtype}") as error:
        strict_inference_torch(q, q, InferenceConfig(smallest / 2))
    assert str(smallest) in str(error.value)


def test_a_threshold_that_overflows_is_an_error():
    q = np.ones(1, dtype=np.float16)
    for config in (InferenceConfig(1e5), InferenceConfig(1e-3, 65520.0)):
        with pytest.raises(TauError, match="overflows in float16"):
            strict_inference(q, q, config)
    assert strict_inference(q, q, InferenceConfig(1e-3, 65519.0)).gap_mask[0]


@pytest.mark.parametrize(
    ("p", "q", "said"),
    [
        (np.ones(2), np.ones(3), "shape"),
        (np.ones((2, 1)), np.ones(2), "shape"),
        (np.ones(2, np.float32), np.ones(2), "one floating type"),
        (np.ones(2, np.int64), np.ones(2, np.int64), "int64"),
        (np.ones(2, np.complex64), np.ones(2, np.complex64), "complex64"),
        ([1.0], [1.0], "list, no ndarray"),
        (np.ones(2), 1.0, "float, no ndarray"),
        (np.ones(2), torch.ones(2), "Tensor, no ndarray"),
        (np.ones(2, np.longdouble), np.ones(2, np.longdouble), "longdouble|float128"),
    ],
)
def test_what_is_no_pair_is_refused(p, q, said):
    with pytest.raises(TauError, match=said):
        strict_inference(p, q, InferenceConfig())


def test_the_gate_for_torch_takes_tensors():
    with pytest.raises(TauError, match="P is ndarray, no Tensor"):
        strict_inference_torch(np.ones(2), torch.ones(2), InferenceConfig())


@pytest.mark.parametrize("config", [1e-5, None, {"tau_infer": 1e-5}])
def test_what_is_no_config_is_refused(config):
    with pytest.raises(TauError, match="no InferenceConfig"):
        strict_inference(np.ones(2), np.ones(2), config)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_where_subnormals_are_flushed_no_bottom_and_no_gap_changes(dtype):
    p, q = hard_pairs(dtype, (1e-5, 1e-4))
    whole = strict_inference_torch(p, q, InferenceConfig(1e-5, 1e-4))
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor does not flush")
    try:
        flushed = strict_inference_torch(p, q, InferenceConfig(1e-5, 1e-4))
    finally:
        torch.set_flush_denormal(False)
    assert not flushed.fault_mask.equal(whole.fault_mask)  # P/Q with a subnormal Q is 1/0 then, no overflow
    for name in ("bottom_mask", "gap_mask", "semantic_bottom_mask"):
        assert getattr(flushed, name).equal(getattr(whole, name))


def test_nothing_is_warned_of(recwarn):
    strict_inference(np.array([1.0, math.inf]), np.array([0.0, math.nan]), InferenceConfig())
    assert not recwarn.list
