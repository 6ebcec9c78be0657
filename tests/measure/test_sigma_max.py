"""sigma_max against LAPACK's float64 singular values, on easy and hard spectra."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from invarlock.checkpoints.modules import modules_of
from invarlock.errors import MeasurementError
from invarlock.measure.records import EstimatorContract
from invarlock.measure.sigma_max import CONVERGED, POWER_ITER, estimate_sigma_max
from tests.measure.tiny_models import BUILDERS

PROMISED = 1e-4  # relative error, design page 2


def _gaussian(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def _with_spectrum(values, rows, columns, seed=0):
    """A matrix whose singular values are ``values``, in random directions."""
    left, _ = torch.linalg.qr(_gaussian(rows, len(values), seed).double())
    right, _ = torch.linalg.qr(_gaussian(columns, len(values), seed + 1).double())
    return (left * torch.as_tensor(values, dtype=torch.float64)) @ right.T


def _spiked(rows, columns, spike):
    noise = _gaussian(rows, columns)
    edge = rows**0.5 + columns**0.5
    u, v = _gaussian(rows, 1, 3), _gaussian(columns, 1, 4)
    return noise + spike * edge * (u / u.norm()) @ (v / v.norm()).T


MATRICES = {
    **{
        f"bulk {m}x{n}": _gaussian(m, n)
        for m, n in ((300, 300), (768, 768), (256, 1024), (5000, 200), (65, 4000))
    },
    **{f"spike {spike}": _spiked(400, 300, spike) for spike in (0.5, 1.01, 1.2, 10.0)},
    "rank 1": _gaussian(300, 1) @ _gaussian(1, 200),
    "rank 5": _gaussian(300, 5) @ _gaussian(5, 200),
    "ones": torch.ones(300, 200),
    "identity": torch.eye(200),
    "orthogonal": torch.linalg.qr(_gaussian(200, 200))[0],
    "top value twice": _with_spectrum([1.0, 1.0] + [0.5] * 98, 200, 150),
    "near duplicates 1e-3": _with_spectrum([1.0, 0.999, *np.linspace(0.9, 0.0, 98)], 200, 150),
    "near duplicates 1e-5": _with_spectrum([1.0, 0.99999, *np.linspace(0.9, 0.0, 98)], 200, 150),
    "power law": _with_spectrum(np.arange(1, 101) ** -0.1, 200, 150),
    "graded": _with_spectrum(10.0 ** -np.arange(100), 200, 150),
    "zero row sums": _gaussian(300, 200) - _gaussian(300, 200).mean(dim=1, keepdim=True),
    "one hot": torch.zeros(200, 100).index_put_((torch.tensor(7), torch.tensor(3)), torch.tensor(2.0)),
    "short side at the full SVD": _gaussian(64, 500),
    "one row": _gaussian(1, 500),
    "one column": _gaussian(500, 1),
    "one entry": torch.tensor([[-3.0]]),
}


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("name", MATRICES)
def test_within_the_promised_error_and_its_certificate(name, transposed):
    matrix = MATRICES[name].float()
    matrix = matrix.T if transposed else matrix
    truth = torch.linalg.svdvals(matrix.double())
    estimate = estimate_sigma_max(matrix)
    assert estimate.sigma == pytest.approx(float(truth[0]), rel=PROMISED)
    assert estimate.sigma <= float(truth[0]) * (1 + 1e-6)
    nearest = float((truth - estimate.sigma).abs().min())
    assert nearest <= estimate.residual <= 1e-4 * estimate.sigma


def test_a_zero_matrix_is_zero():
    assert estimate_sigma_max(torch.zeros(200, 100)).sigma == 0.0
    assert estimate_sigma_max(torch.zeros(3, 2)).sigma == 0.0


@pytest.mark.parametrize("name", BUILDERS)
def test_every_matrix_of_the_tiny_models(name, opened):
    checkpoint = opened(name)
    for module in modules_of(checkpoint):
        matrix = module.matrix_of(checkpoint.read(module.tensor)).float()
        truth = float(torch.linalg.svdvals(matrix.double())[0])
        assert estimate_sigma_max(matrix).sigma == pytest.approx(truth, rel=PROMISED)


def test_near_duplicates_rarely_fool_a_random_start():
    """The honest limit: over 60 starts at a gap of 1e-3 beside a bulk, at most two settle between the two."""
    spectrum = [1.0, 0.999, *np.linspace(0.8, 0.0, 98)]
    matrix = _with_spectrum(spectrum, 150, 100).float()
    contracts = [CONVERGED.model_copy(update={"seed": seed}) for seed in range(60)]
    errors = [abs(estimate_sigma_max(matrix, contract).sigma - 1.0) for contract in contracts]
    assert sum(error > PROMISED for error in errors) <= 2


def test_the_same_bytes_and_seed_give_the_same_number():
    matrix = _gaussian(700, 500)
    first = estimate_sigma_max(matrix)
    assert all(estimate_sigma_max(matrix.clone()) == first for _ in range(3))
    other = estimate_sigma_max(matrix, CONVERGED.model_copy(update={"seed": 1}))
    assert other.sigma != first.sigma
    assert other.sigma == pytest.approx(first.sigma, rel=1e-6)


def test_arpack_takes_over_where_lanczos_is_cut_short():
    contract = CONVERGED.model_copy(update={"max_iter": 6})
    matrix = _gaussian(500, 300)
    estimate = estimate_sigma_max(matrix, contract)
    assert estimate.solver == "arpack"
    assert estimate.sigma == pytest.approx(float(torch.linalg.svdvals(matrix)[0]), rel=PROMISED)


def test_a_tolerance_that_no_solver_reaches_is_an_error():
    with pytest.raises(MeasurementError, match="500 x 300 matrix did not converge"):
        estimate_sigma_max(_gaussian(500, 300), CONVERGED.model_copy(update={"tol": 1e-12}))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "power_iter", "max_iter": 0},
        {"dtype": "bfloat16"},
        {"tol": 0.0},
        {"tol": 2e-4},
        {"method": "power_iter", "tol": -1.0},
        {"seed": -1},
        {"seed": 2**64},
        {"method": "svd"},
    ],
)
def test_a_contract_that_cannot_be_kept_is_refused_by_key(change):
    with pytest.raises(ValidationError) as caught:
        EstimatorContract(**(CONVERGED.model_dump() | change))
    (error,) = caught.value.errors()
    assert error["loc"] == (list(change)[-1],)


def test_float64_arithmetic_is_more_exact():
    matrix = _gaussian(300, 200).double()
    contract = EstimatorContract(method="lanczos", tol=1e-10, max_iter=200, seed=0, dtype="float64")
    assert estimate_sigma_max(matrix, contract).sigma == pytest.approx(
        float(torch.linalg.svdvals(matrix)[0]), rel=1e-13
    )


@pytest.mark.parametrize("matrix", [_gaussian(40, 30), _gaussian(30, 40), _spiked(400, 300, 2.0)])
def test_power_iter_is_the_published_recipe(matrix):
    """Design page 2, spelled out in numpy."""
    w = matrix.double().numpy()
    v = np.ones(w.shape[1]) / np.linalg.norm(np.ones(w.shape[1]))
    for _ in range(4):
        u = w @ v
        s = np.linalg.norm(u)
        u = u / s
        v = w.T @ u / np.linalg.norm(w.T @ u)
    estimate = estimate_sigma_max(matrix, POWER_ITER)
    assert estimate.sigma == pytest.approx(s, rel=1e-5)
    assert estimate.steps == 4


def test_power_iter_is_blind_where_its_start_is():
    sums_to_zero = MATRICES["zero row sums"].double()
    sums_to_zero = sums_to_zero - sums_to_zero.mean(dim=1, keepdim=True)
    assert estimate_sigma_max(torch.zeros(3, 2), POWER_ITER).sigma == 0.0
    blind = sums_to_zero[:, :1] @ torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    assert estimate_sigma_max(blind, POWER_ITER).sigma == 0.0
    assert estimate_sigma_max(blind).sigma == pytest.approx(float(torch.linalg.svdvals(blind)[0]))


def test_contracts_are_told_apart():
    assert len(CONVERGED.digest16) == 16
    assert CONVERGED.digest16 != POWER_ITER.digest16
