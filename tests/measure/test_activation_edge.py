"""Edge risk of one matrix: against LAPACK, and against what random matrix theory says of noise and of a spike."""

import math

import pytest
import torch

from invarlock.errors import MeasurementError
from invarlock.measure.activation_edge import edge_risk


def gaussian(rows, columns, seed=0):
    return torch.randn(
        rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).float()


def by_hand(activation):
    exact = activation.double()
    standardised = (exact - exact.mean()) / exact.std(correction=0)
    return float(torch.linalg.svdvals(standardised)[0]) / sum(side**0.5 for side in exact.shape)


def unit(length, seed):
    vector = gaussian(length, 1, seed)
    return vector / vector.norm()


@pytest.mark.parametrize("shape", [(300, 200), (24, 32), (65, 400), (400, 65), (50, 1), (1, 50), (256, 768)])
@pytest.mark.parametrize("transform", [lambda a: a, torch.exp, lambda a: 3 + a.cumsum(0)])
def test_r_is_that_of_its_definition(shape, transform):
    activation = transform(gaussian(*shape))
    found = edge_risk(activation)
    assert found.risk == pytest.approx(by_hand(activation), rel=1e-5)
    assert (found.positions, found.features) == shape
    assert found.residual <= 1e-4 * found.risk
    assert found.risk <= found.ceiling * (1 + 1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, -5.0, 2.0**40, 1e35])
def test_scale_does_not_matter(scale):
    activation = gaussian(120, 90).exp()
    assert edge_risk(activation * scale).risk == pytest.approx(edge_risk(activation).risk, rel=1e-5)


@pytest.mark.parametrize("shift", [-3.0, 1e3, 2.0**14])
def test_shift_does_not_matter(shift):
    # In float32 the shifted entries are rounded, so the two are compared on numbers that both can hold.
    activation = (gaussian(120, 90) * 2**8).round() / 2**8
    assert edge_risk(activation + shift).risk == pytest.approx(edge_risk(activation).risk, rel=1e-5)


@pytest.mark.parametrize("shape", [(2000, 500), (512, 768), (300, 300)])
def test_pure_noise_is_at_the_edge(shape):
    """Bai and Yin: the limit is 1; fluctuations are of order (short side)^(-2/3) (Tracy and Widom)."""
    risks = [edge_risk(gaussian(*shape, seed=seed)).risk for seed in range(5)]
    assert all(abs(risk - 1) < 2 * min(shape) ** (-2 / 3) for risk in risks)


@pytest.mark.parametrize("strength", [0.5, 1.5, 3.0, 10.0])
def test_a_planted_direction_raises_r_as_theory_says(strength):
    """Spiked model (Benaych-Georges and Nadakuditi 2012): theta u v^T over unit noise is seen above (m n)^(1/4)."""
    m, n = 1200, 800
    theta = strength * (m * n) ** 0.25
    activation = gaussian(m, n) + theta * unit(m, 1) @ unit(n, 2).T
    top = math.sqrt((theta**2 + m) * (theta**2 + n)) / theta if strength > 1 else m**0.5 + n**0.5
    std = math.sqrt(1 + theta**2 / (m * n))
    assert edge_risk(activation).risk == pytest.approx(top / std / (m**0.5 + n**0.5), rel=0.01)


def test_one_direction_alone_is_the_ceiling():
    rows = gaussian(1, 40).expand(25, 40)  # every position alike, as token type embeddings are
    found = edge_risk(rows)
    assert found.risk == pytest.approx(found.ceiling, rel=0.02)  # less what the mean of a row takes
    centred = rows - rows.mean()
    assert edge_risk(centred).risk == pytest.approx(found.ceiling, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype):
    activation = gaussian(200, 100).to(dtype)
    assert edge_risk(activation).risk == pytest.approx(by_hand(activation), rel=1e-5)


def test_the_activation_is_left_as_it_is():
    activation = gaussian(80, 70)
    before = activation.clone()
    edge_risk(activation)
    assert torch.equal(activation, before)


@pytest.mark.parametrize("value", [0.0, 0.1, -7e4])
def test_a_constant_has_no_edge(value):
    constant = torch.full((30, 20), value)
    with pytest.raises(MeasurementError, match="constant"):
        edge_risk(constant)
    constant[3, 4] = torch.nextafter(constant[3, 4], torch.tensor(1.0))
    if value:
        with pytest.raises(MeasurementError, match="constant"):
            edge_risk(constant)


def test_one_massive_entry_is_no_constant():
    activation = gaussian(200, 100)
    activation[0, 3] = 1e6
    found = edge_risk(activation.bfloat16())
    assert found.risk == pytest.approx(by_hand(activation.bfloat16()), rel=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_finite_is_an_error(value):
    activation = gaussian(30, 20)
    activation[7, 7] = value
    with pytest.raises(MeasurementError, match="not finite"):
        edge_risk(activation)
