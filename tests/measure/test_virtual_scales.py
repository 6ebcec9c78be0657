"""Virtual scales: what they give is what scaled weights give, and they leave nothing behind."""

import copy
import dataclasses

import pytest
import torch
from pydantic import ValidationError

from invarlock.measure.branch_records import VirtualScales
from invarlock.measure.losses import run_windows
from invarlock.measure.taps import taps_of
from invarlock.measure.virtual_scales import scaled
from tests.measure.random_windows import random_windows, windows_for
from tests.measure.tiny_models import BUILDERS


def _scale_weights(model, path, factor):
    """The last matrices of the branch times ``factor``, in a copy of the model. Biases are left."""
    module = copy.deepcopy(model.module)
    branch = module.get_submodule(path)
    if hasattr(branch, "weight"):
        projections = [branch.weight]
    else:
        projections = [p for name, p in branch.named_parameters() if "down_proj" in name]
    assert projections
    with torch.no_grad():
        for projection in projections:
            projection.mul_(factor)
    return dataclasses.replace(model, module=module)


@pytest.mark.parametrize("name", BUILDERS)
def test_scaling_an_output_is_scaling_its_weight(name, lively, opened):
    model, windows = lively(name), windows_for(name, 1)
    plain = run_windows(model, windows)[0].nll
    for i, tap in enumerate(taps_of(opened(name))):
        factor = (0.85, 1.12)[i % 2]
        expected = run_windows(_scale_weights(model, tap.module, factor), windows)[0].nll
        with scaled(model, VirtualScales(factors={tap.module: factor})):
            virtual = run_windows(model, windows)[0].nll
        assert virtual == pytest.approx(expected, rel=1e-6)
        assert abs(virtual - plain) > 10 * abs(virtual - expected), tap.module
        assert abs(virtual - plain) > 3e-6 * plain, tap.module


def test_several_branches_at_once(lively, opened):
    model, windows = lively("gpt2"), random_windows(1)
    factors = {tap.module: 0.9 + 0.05 * i for i, tap in enumerate(taps_of(opened("gpt2"))) if i != 2}
    expected = model
    for path, factor in factors.items():
        expected = _scale_weights(expected, path, factor)
    with scaled(model, VirtualScales(factors=factors)):
        virtual = run_windows(model, windows)[0].nll
    assert virtual == pytest.approx(run_windows(expected, windows)[0].nll, rel=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(dtype, lively):
    model, windows, path = lively("gpt2", dtype), random_windows(1), "transformer.h.0.mlp.c_proj"
    with scaled(model, VirtualScales(factors={path: 1.5})):
        virtual = run_windows(model, windows)[0].nll
    expected = run_windows(_scale_weights(model, path, 1.5), windows)[0].nll
    assert virtual == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("name", ["gpt2", "qwen2_moe"])
def test_nothing_is_left_behind(name, lively, opened):
    model, windows = lively(name), random_windows(2)
    before = run_windows(model, windows)
    weights = {path: tensor.clone() for path, tensor in model.module.state_dict().items()}
    with scaled(model, VirtualScales(factors={tap.module: 0.9 for tap in taps_of(opened(name))})):
        assert run_windows(model, windows) != before
    assert run_windows(model, windows) == before
    assert all(torch.equal(tensor, weights[path]) for path, tensor in model.module.state_dict().items())


def test_the_variant_says_model_and_scales():
    one, other = (VirtualScales(factors={"transformer.h.0.mlp.c_proj": x}) for x in (0.97, 1.03))
    names = {scales.variant_of(model) for model in ("a", "b") for scales in (one, other)}
    assert len(names) == 4
    assert "a" not in names
    assert VirtualScales(factors=dict(one.factors)).variant_of("a") == one.variant_of("a")


@pytest.mark.parametrize("factor", [1.0, 0.0, -0.97, float("inf"), float("nan")])
def test_what_cannot_rescale_is_no_factor(factor: float) -> None:
    with pytest.raises(ValidationError, match=r"transformer\.h\.0\.mlp\.c_proj"):
        VirtualScales(factors={"transformer.h.1.mlp.c_proj": 0.97, "transformer.h.0.mlp.c_proj": factor})


def test_no_factors_are_no_scales() -> None:
    with pytest.raises(ValidationError, match="at least 1"):
        VirtualScales(factors={})
