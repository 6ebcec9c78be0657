import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from invarlock.errors import InvarlockError
from invarlock.tau.counts import TauCounts
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.metrics import tau_infer_sweep_from_q_abs
from invarlock.tau.samples import CHUNK, samples_of
from invarlock.tau.sweep import count_taus

EXAMPLES = json.loads((Path(__file__).parent.parent / "reference" / "tau_sweep_examples.json").read_text())[
    "cases"
]
SEED_KEYS = ("taus", "fn_in", "fp_cens", "bottom_rate")


def naive(q, labels, taus):
    """The seed's definitions, sample by sample; |Q| and tau in the dtype of q."""
    bottom = [[not math.isfinite(value) or value < q.dtype.type(tau) for value in q] for tau in taus]
    inside = [sum(b for b, label in zip(row, labels, strict=True) if label) for row in bottom]
    accepted = [sum(not b for b, label in zip(row, labels, strict=True) if not label) for row in bottom]
    return inside, accepted, [sum(row) for row in bottom]


def draws(n, *, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    q = np.exp(rng.normal(-6, 3, n)).astype(dtype)
    q[rng.random(n) < 0.02] = 0.0
    return q, rng.random(n) < 0.6


@pytest.mark.parametrize("case", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_reference_examples(case):
    curves = tau_infer_sweep_from_q_abs(case["q_abs"], is_in_range=case["is_in_range"], taus=case["taus"])
    assert curves["taus"] == case["expected"]["taus"]
    for key in SEED_KEYS[1:]:
        assert curves[key] == pytest.approx(case["expected"][key], rel=0, abs=1e-15)


def test_some_reference_taus_are_unsorted():
    assert any(case["taus"] != sorted(case["taus"]) for case in EXAMPLES)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_counts_are_those_of_a_naive_loop_with_ties_faults_and_zeros(dtype):
    q, labels = draws(700, dtype=dtype)
    q[::41], q[5::97], q[7::89] = np.nan, np.inf, -0.0
    taus = [
        *np.random.default_rng(1).permutation(q[np.isfinite(q) & (q > 0)])[:40].tolist(),
        1e-3,
        1e-3,
        30.0,
    ]
    curves = tau_infer_sweep_from_q_abs(q, is_in_range=labels, taus=taus)
    inside, accepted, bottom = naive(q, labels, taus)
    assert (curves["fn_in_count"], curves["fp_cens_count"], curves["bottom_count"]) == (
        inside,
        accepted,
        bottom,
    )
    assert curves["taus"] == taus
    assert curves["fn_in"] == [count / labels.sum() for count in inside]
    assert curves["fp_cens"] == [count / (~labels).sum() for count in accepted]
    assert curves["bottom_rate"] == [count / 700 for count in bottom]
    assert curves["n_fault"] == np.sum(~np.isfinite(q))
    assert curves["n_fault_cens"] == np.sum(~np.isfinite(q) & ~labels)
    assert (curves["n"], curves["n_in"], curves["n_cens"]) == (700, labels.sum(), (~labels).sum())


def test_a_fault_is_on_the_bottom_at_every_tau_and_never_accepted():
    q = [np.nan, np.inf, np.nan, np.inf]
    curves = tau_infer_sweep_from_q_abs(q, is_in_range=[True, True, False, False], taus=[1e-300, 1e300])
    assert curves["fn_in"] == curves["bottom_rate"] == [1.0, 1.0]
    assert curves["fp_cens"] == [0.0, 0.0]
    assert (curves["n_fault"], curves["n_fault_in"], curves["n_fault_cens"]) == (4, 2, 2)


def test_tau_is_compared_as_the_dtype_of_q_holds_it():
    below_1e5 = float(np.float32(1e-5))
    assert below_1e5 < 1e-5
    labels = [True]
    assert tau_infer_sweep_from_q_abs(np.float32([1e-5]), is_in_range=labels, taus=[1e-5])["fn_in"] == [0.0]
    assert tau_infer_sweep_from_q_abs([below_1e5], is_in_range=labels, taus=[1e-5])["fn_in"] == [1.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_torch_gives_what_torch_itself_compares(dtype):
    q, labels = draws(400)
    tensor = torch.from_numpy(q).to(dtype).requires_grad_()
    taus = [3e-4, 1e-2, 1e-1]
    curves = tau_infer_sweep_from_q_abs(
        tensor, is_in_range=torch.from_numpy(labels), taus=torch.tensor(taus, dtype=torch.float64)
    )
    compared = torch.tensor(taus, dtype=torch.float64).to(dtype)
    assert curves["bottom_count"] == [int((tensor < tau).sum()) for tau in compared]
    assert curves["taus_compared"] == compared.tolist()
    assert curves["dtype"] == str(dtype).removeprefix("torch.")


def test_any_shape_and_integers():
    q = np.arange(6).reshape(2, 3)
    curves = tau_infer_sweep_from_q_abs(q, is_in_range=q > 2, taus=[4])
    assert curves["fn_in"] == [1 / 3]
    assert curves["fp_cens"] == [0.0]


def test_intervals_are_beta_quantiles_and_reach_the_ends():
    q, labels = draws(300)
    curves = tau_infer_sweep_from_q_abs(q, is_in_range=labels, taus=[1e-9, 1e-3, 1e9])
    n = int((~labels).sum())
    k = curves["fp_cens_count"][1]
    expected = stats.beta.ppf(0.025, k, n - k + 1), stats.beta.ppf(0.975, k + 1, n - k)
    assert curves["fp_cens_interval"][1] == pytest.approx(expected, rel=1e-12)
    assert curves["fp_cens_interval"][2] == pytest.approx([0.0, 1 - 0.025 ** (1 / n)], rel=1e-12)
    assert curves["bottom_rate_interval"][2] == pytest.approx([0.025 ** (1 / 300), 1.0], rel=1e-12)


@pytest.mark.parametrize(("label", "empty"), [(True, "fp_cens"), (False, "fn_in")])
def test_one_class_only_gives_null_rates_with_a_reason(label, empty):
    curves = tau_infer_sweep_from_q_abs([0.1, 2.0], is_in_range=[label, label], taus=[1.0, 2.0])
    assert curves[empty] == curves[f"{empty}_interval"] == [None, None]
    assert list(curves["reasons"]) == [empty]
    assert curves["bottom_rate"] == [0.5, 0.5]
    json.dumps(curves, allow_nan=False)


def test_shards_and_chunks_add_up_to_the_whole():
    n = 2 * CHUNK + 1234
    q, labels = draws(n, dtype=np.float32)
    q[::1000] = np.nan
    taus = np.exp(np.random.default_rng(2).normal(-6, 3, 50))
    whole = count_taus(samples_of(q, labels), taus)
    cuts = [0, 17, CHUNK + 5, n]
    shards = [count_taus(samples_of(q[a:b], labels[a:b]), taus) for a, b in itertools.pairwise(cuts)]
    assert shards[2] + shards[0] + shards[1] == whole
    assert TauCounts.model_validate_json(whole.model_dump_json()) == whole
    compared = np.float32(taus)
    below = [int(np.sum(~np.isfinite(q) | (q < tau))) for tau in compared]
    assert [a + b for a, b in zip(whole.in_range.bottom, whole.censored.bottom, strict=True)] == below


def resident_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssFile:")).split()[1])


def test_the_pages_of_a_memory_map_do_not_stay(tmp_path):
    n = 4_000_000  # 32 MB
    np.save(tmp_path / "q.npy", np.ones(n))
    q = np.load(tmp_path / "q.npy", mmap_mode="r")
    labels = np.ones(n, bool)
    for values in (q, q[: n // 2], q.reshape(2, -1)):
        before = resident_kb()
        assert tau_infer_sweep_from_q_abs(
            values, is_in_range=labels[: values.size].reshape(values.shape), taus=[1.5]
        )["fn_in"] == [1.0]
        assert resident_kb() - before < 8_000


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_changes_of_a_memory_map_are_kept(tmp_path, mode):
    np.save(tmp_path / "q.npy", np.ones(100_000))
    q = np.load(tmp_path / "q.npy", mmap_mode=mode)
    q[:50_000] = 3.0
    labels = np.ones(q.size, bool)
    for _ in range(2):
        assert tau_infer_sweep_from_q_abs(q, is_in_range=labels, taus=[2.0])["fn_in"] == [0.5]


def test_shards_at_other_taus_do_not_add_up():
    q, labels = draws(10)
    with pytest.raises(ValueError, match="other taus"):
        count_taus(samples_of(q, labels), [1.0]) + count_taus(samples_of(q, labels), [2.0])


def test_shards_in_another_dtype_do_not_add_up():
    q, labels = draws(10)
    with pytest.raises(TauError, match="in another dtype"):
        count_taus(samples_of(q, labels), [1.0]) + count_taus(samples_of(np.float32(q), labels), [1.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"is_in_range": [True]}, r"q_abs has shape \(2,\), is_in_range \(1,\)"),
        ({"q_abs": [[1.0, 2.0]]}, r"q_abs has shape \(1, 2\), is_in_range \(2,\)"),
        ({"q_abs": [[1.0], [1.0, 2.0]]}, "q_abs is no array"),
        ({"is_in_range": [1, 0]}, "is_in_range is int64, not boolean"),
        ({"is_in_range": [1.0, 0.0]}, "is_in_range is float64, not boolean"),
        ({"q_abs": [0.1, -0.2]}, r"q_abs\[1\] is -0.2; \|Q\| is not negative"),
        ({"q_abs": [0.1, -math.inf]}, r"q_abs\[1\] is -inf"),
        ({"q_abs": np.ma.masked_equal([0.1, 9.0], 9.0)}, "q_abs has masked values"),
        ({"is_in_range": np.ma.masked_array([True, False], [False, True])}, "is_in_range has masked values"),
        ({"q_abs": ["a", "b"]}, "q_abs is <U1, not float"),
        ({"q_abs": [True, False]}, "q_abs is bool, not float"),
        ({"q_abs": np.ones(2, np.complex64)}, "q_abs is complex64"),
        ({"q_abs": [], "is_in_range": []}, "q_abs has no values"),
        ({"taus": []}, r"taus has shape \(0,\)"),
        ({"taus": 1e-3}, r"taus has shape \(\)"),
        ({"taus": [[1.0]]}, r"taus has shape \(1, 1\)"),
        ({"taus": [1.0, 0.0]}, "tau 0 is not above 0"),
        ({"taus": [-1e-3]}, "tau -0.001 is not above 0"),
        ({"taus": [math.nan]}, "tau nan is not finite"),
        ({"taus": [math.inf]}, "tau inf is not finite"),
        ({"taus": [True]}, "taus is bool"),
        ({"q_abs": np.float32([1, 2]), "taus": [1e-50]}, "tau 1e-50 underflows to 0 in float32"),
        ({"q_abs": np.float16([1, 2]), "taus": [1e-8]}, "tau 1e-08 underflows to 0 in float16"),
        (
            {"q_abs": np.float16([1, 2]), "taus": [1e5]},
            r"tau 100000 overflows in float16|tau 1e\+05 overflows",
        ),
    ],
)
def test_what_cannot_be_swept_is_a_value_error_that_says_which(change, message):
    arguments = {"q_abs": [0.1, 0.2], "is_in_range": [True, False], "taus": [0.1]} | change
    with pytest.raises(ValueError, match=message) as caught:
        tau_infer_sweep_from_q_abs(**arguments)
    assert isinstance(caught.value, InvarlockError)


def test_a_negative_value_that_the_gate_would_round_to_0_is_refused():
    samples = samples_of([0.5, -1e-60], [True, False], gate_dtype=GateDtype.FLOAT32)
    with pytest.raises(TauError, match=r"q_abs\[1\] is -1e-60"):
        count_taus(samples, [0.5])


def test_a_masked_array_without_a_masked_value_is_an_array():
    found = tau_infer_sweep_from_q_abs(np.ma.masked_array([0.1, 0.2]), is_in_range=[True, True], taus=[0.15])
    assert found["fn_in"] == [0.5]


@pytest.mark.parametrize(
    ("values", "gate", "works"),
    [("float64", "float32", True), ("float32", "float64", False), ("float16", "bfloat16", False)],
)
def test_a_gate_tells_apart_no_more_than_the_values(values, gate, works):
    q = np.array([0.1, 0.2], values)
    if works:
        assert samples_of(q, q > 0.1, gate_dtype=GateDtype(gate)).dtype == gate
    else:
        with pytest.raises(ValueError, match=f"{values} values do not show where a {gate} gate cuts"):
            samples_of(q, q > 0.1, gate_dtype=GateDtype(gate))
