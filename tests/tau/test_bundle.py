import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from invarlock.digests import sha256_hex
from invarlock.errors import StoreError
from invarlock.tau.bundle import export_bundle
from invarlock.tau.bundle_files import publish
from invarlock.tau.bundle_load import load_bundle
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.strict import StrictInference
from invarlock.tau.wrapper import SCMInferenceWrapper
from tests.tau.conftest import CALIBRATION, GAUGE, TAUS
from tests.tau.hard_values import hard_pairs
from tests.tau.heads import Casts, Gives, NormedModel, RationalHead, TinyModel, ZeroesWhenExported

CONFIG = InferenceConfig(*TAUS)
X = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))


def refuses(wrapped, inputs, out, config=None, **told):
    with pytest.raises(TauError) as error:
        export_bundle(wrapped, inputs, out, config, **told)
    assert error.value.fix
    return str(error.value)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_the_bundle_gates_as_the_wrapper_does_on_hard_values(exported, dtype):
    bundle = load_bundle(exported(dtype))
    x = torch.stack(hard_pairs(dtype, TAUS), dim=-1)
    eager = SCMInferenceWrapper(RationalHead(), CONFIG).infer(x)
    for name, ours, theirs in zip(StrictInference._fields, eager, bundle(x.numpy()), strict=True):
        assert theirs.dtype == ours.numpy().dtype
        np.testing.assert_array_equal(ours.numpy(), theirs, name)
    assert set(eager.bottom_provenance.tolist()) == {0, 1, 2, 3}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A model in its training mode, the modes of its modules before the export, and its bundle."""
    wrapped = SCMInferenceWrapper(TinyModel(), CONFIG).train()
    wrapped.model.head.eval()
    modes = [module.training for module in wrapped.modules()]
    out = tmp_path_factory.mktemp("tiny") / "bundle_dir"
    return wrapped, modes, export_bundle(wrapped, (X,), out, CONFIG, gauge=GAUGE, calibration=CALIBRATION)


@pytest.mark.slow
def test_modes_are_put_back(tiny):
    wrapped, modes, _ = tiny
    assert [module.training for module in wrapped.modules()] == modes


def test_a_bundle_is_three_files(exported):
    folder = exported("float32")
    assert sorted(path.name for path in folder.iterdir()) == ["SHA256SUMS", "metadata.json", "model.onnx"]
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True)
    written = json.loads((folder / "metadata.json").read_text())
    model = (folder / "model.onnx").read_bytes()
    assert written == {
        "tau_infer": 1e-5,
        "tau_train": 1e-4,
        "use_gap": True,
        "dtype": "float32",
        "gauge": {
            "head": "tiny",
            "normalisation": "inputs standardised",
            "magnitude_convention": "abs(Q)",
        },
        "model_sha256": sha256_hex(model),
        "calibration": {
            "sweep_sha256": sha256_hex(b"sweep"),
            "requirement": {"max_fp": 0.01, "confidence": 0.95, "max_fn": None, "max_bottom": None},
            "split": "held_out",
            "dtype": "float32",
            "tau_infer": 1e-5,
        },
    }
    assert str(Path(__file__).parent).encode() not in model  # no paths of the machine that exported it
    assert b"site-packages" not in model

    outputs = {output.name: output for output in onnx.load(folder / "model.onnx").graph.output}
    assert tuple(outputs) == StrictInference._fields
    assert {output.type.tensor_type.shape.dim[0].dim_param for output in outputs.values()} == {"batch"}


@pytest.mark.slow
def test_a_loaded_model_answers_as_the_wrapper_does(tiny):
    _, _, folder = tiny
    bundle = load_bundle(folder)
    assert (bundle.metadata.gauge, bundle.metadata.calibration) == (GAUGE, CALIBRATION)
    wrapped = SCMInferenceWrapper(TinyModel(), CONFIG).eval()
    for size in (1, 4, 9):  # whatever the size of the example
        x = torch.randn(size, 3)
        eager, found = wrapped.infer(x), bundle(x.numpy())
        np.testing.assert_allclose(found.decoded, eager.decoded.detach().numpy(), rtol=1e-3)
        assert found.bottom_mask.tolist() == eager.bottom_mask.tolist()


@pytest.mark.slow
def test_batch_norm_is_exported_with_its_running_statistics_and_differs_by_rounding_alone(tmp_path):
    wrapped = SCMInferenceWrapper(NormedModel(), CONFIG).train()
    for _ in range(20):
        wrapped(2 * torch.randn(64, 3, dtype=torch.float64) + 1)
    before = {name: value.clone() for name, value in wrapped.state_dict().items()}
    bundle = load_bundle(export_bundle(wrapped, (X.double(),), tmp_path / "b"))
    assert all(torch.equal(before[name], value) for name, value in wrapped.state_dict().items())
    x = 2 * torch.randn(5000, 3, dtype=torch.float64) + 1
    with torch.no_grad():
        eager = wrapped.eval().infer(x)
    found = bundle(x.numpy())
    # Relative to a value near 0, from which both runtimes round off as much: 1e-9 in float64, 1e-2 in float32.
    np.testing.assert_allclose(found.decoded, eager.decoded.numpy(), rtol=1e-8)
    for name in StrictInference._fields[1:]:
        np.testing.assert_array_equal(getattr(found, name), getattr(eager, name).numpy())


@pytest.mark.slow
def test_the_same_model_gives_the_same_bytes(tiny, tmp_path):
    wrapped, _, folder = tiny
    again = export_bundle(wrapped, (X,), tmp_path / "again", gauge=GAUGE, calibration=CALIBRATION)
    for name in ("SHA256SUMS", "metadata.json", "model.onnx"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_inputs_that_the_model_does_not_take_are_refused(exported):
    bundle = load_bundle(exported("float32"))
    with pytest.raises(TauError, match="2 inputs"):
        bundle(np.ones((1, 2), np.float32), np.ones(1, np.float32))
    with pytest.raises(TauError, match="cannot run the model"):
        bundle(np.ones((1, 2)))


def test_a_config_that_is_not_the_wrappers_is_refused(tmp_path):
    wrapped = SCMInferenceWrapper(RationalHead(), CONFIG)
    said = refuses(wrapped, (torch.ones(2, 2),), tmp_path / "b", InferenceConfig(1e-5))
    assert "is not the wrapper's" in said
    assert not any(tmp_path.iterdir())


def test_what_is_no_wrapper_or_no_config_is_refused(tmp_path):
    assert "RationalHead is no SCM" in refuses(RationalHead(), (torch.ones(2, 2),), tmp_path / "b")
    wrapped = SCMInferenceWrapper(RationalHead(), CONFIG)
    assert "1e-05 is not" in refuses(wrapped, (torch.ones(2, 2),), tmp_path / "b", 1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dtype": GateDtype.FLOAT64}, "compared |Q| in float64, the gate compares it in float32"),
        ({"tau_infer": 1.1e-5}, "chose tau_infer 1.1e-05"),
    ],
)
def test_the_calibration_of_another_gate_is_refused(tmp_path, changes, said):
    wrapped = SCMInferenceWrapper(RationalHead(), CONFIG)
    calibration = CALIBRATION.model_copy(update=changes)
    assert said in refuses(wrapped, (torch.ones(2, 2),), tmp_path / "b", calibration=calibration)
    assert not any(tmp_path.iterdir())


def test_a_model_that_is_exported_to_another_is_refused(tmp_path):
    wrapped = SCMInferenceWrapper(ZeroesWhenExported(), CONFIG)
    x = torch.tensor([[1.0, 1.0], [1.0, 9e-4], [1.0, 2e-4], [1.0, 5e-5]])
    assert "than torch for the example's sample (1,)" in refuses(wrapped, (x,), tmp_path / "b")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_half_head_is_refused(tmp_path, dtype):
    wrapped = SCMInferenceWrapper(RationalHead(), CONFIG)
    wrapped.model = nn.Sequential(Casts(getattr(torch, dtype)), wrapped.model)
    assert "p.float(), q.float()" in refuses(wrapped, (torch.ones(2, 2),), tmp_path / "b")


def test_a_subnormal_tau_is_refused(tmp_path):
    below = SCMInferenceWrapper(RationalHead(), InferenceConfig(torch.finfo(torch.float32).tiny / 2))
    assert "subnormal in float32" in refuses(below, (torch.ones(2, 2),), tmp_path / "b")


@pytest.mark.slow
def test_the_smallest_normal_tau_is_not_refused(tmp_path):
    tiny = torch.finfo(torch.float32).tiny
    export_bundle(
        SCMInferenceWrapper(RationalHead(), InferenceConfig(tiny)), (torch.ones(2, 2),), tmp_path / "b"
    )
    assert load_bundle(tmp_path / "b").metadata.tau_infer == tiny


def test_a_tau_that_underflows_is_refused(tmp_path):
    wrapped = SCMInferenceWrapper(RationalHead(), InferenceConfig(1e-60))
    assert "underflows to 0 in float32" in refuses(wrapped, (torch.ones(2, 2),), tmp_path / "b")


@pytest.mark.parametrize(
    "x",
    [torch.ones(2, 2, dtype=torch.bfloat16), torch.ones(2, 2).to_sparse(), torch.ones(2, 2, device="meta")],
)
def test_inputs_that_numpy_cannot_hold_are_refused(tmp_path, x):
    wrapped = SCMInferenceWrapper(nn.Sequential(Casts(torch.float32), RationalHead()), CONFIG)
    assert "numpy cannot hold" in refuses(wrapped, (x,), tmp_path / "b")


@pytest.mark.parametrize("inputs", [(), torch.ones(2, 2), (np.ones((2, 2)),), None])
def test_example_inputs_must_be_tensors(tmp_path, inputs):
    wrapped = SCMInferenceWrapper(RationalHead(), CONFIG)
    assert "example_inputs" in refuses(wrapped, inputs, tmp_path / "b")


@pytest.mark.slow
def test_a_model_that_torch_cannot_export_is_refused_and_its_modes_are_put_back(tmp_path):
    class Branches(nn.Module):
        def forward(self, x):
            return (x, x) if x.sum() > 0 else (x, x + 1)

    wrapped = SCMInferenceWrapper(Branches(), CONFIG).train()
    assert "cannot be exported" in refuses(wrapped, (torch.ones(2),), tmp_path / "b")
    assert wrapped.training
    assert wrapped.model.training
    assert not any(tmp_path.iterdir())


def test_a_model_without_a_pair_is_refused(tmp_path):
    wrapped = SCMInferenceWrapper(Gives(torch.ones(3)), CONFIG).train()
    assert "pair" in refuses(wrapped, (torch.ones(3),), tmp_path / "b")
    assert wrapped.training
    assert wrapped.model.training


def test_a_name_that_is_taken_or_none_is_refused(tmp_path, exported):
    wrapped = SCMInferenceWrapper(RationalHead(), CONFIG)
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/note").write_text("mine")
    for out in (exported("float32"), tmp_path / "file", tmp_path / "full"):
        assert "never overwritten" in refuses(wrapped, (torch.ones(2, 2),), out)
    for out in (".", "..", tmp_path / "full/..", "", tmp_path / "a\0b"):
        assert "no name" in refuses(wrapped, (torch.ones(2, 2),), out)
    assert (tmp_path / "full/note").read_text() == "mine"


@pytest.mark.parametrize("inside", ["sub", "sub/deeper", "../float32/sub"])
def test_a_name_inside_a_bundle_is_refused(exported, inside):
    bundle = exported("float32")
    wrapped = SCMInferenceWrapper(RationalHead(), CONFIG)
    assert f"{bundle.resolve()} is a bundle" in refuses(wrapped, (torch.ones(2, 2),), bundle / inside)
    assert len(list(bundle.iterdir())) == 3


@pytest.mark.slow
def test_an_export_prints_nothing(tmp_path):
    script = """
import sys, torch
from invarlock.tau.inference import InferenceConfig, SCMInferenceWrapper, export_bundle
from tests.tau.heads import RationalHead
export_bundle(SCMInferenceWrapper(RationalHead(), InferenceConfig(1e-5)), (torch.ones(1, 2),), sys.argv[1])
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "b")], capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr) == ("", "")


def test_a_name_taken_meanwhile_is_refused_and_nothing_is_left_beside_it(tmp_path):
    publish(tmp_path / "b", {"model.onnx": b"first", "metadata.json": b"{}"})
    with pytest.raises(TauError, match="never overwritten"):
        publish(tmp_path / "b", {"model.onnx": b"second", "metadata.json": b"{}"})
    assert (tmp_path / "b/model.onnx").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("module", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named_with_its_install_command(tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)  # as Python marks what cannot be imported
    said = refuses(SCMInferenceWrapper(RationalHead(), CONFIG), (torch.ones(2, 2),), tmp_path / "b")
    assert f"needs the package {module}," in said
    assert "pip install 'invarlock-calibration[onnx]'" in said


@pytest.mark.parametrize("module", ["onnx", "onnxruntime"])
def test_a_package_missing_at_the_load_is_named_with_its_install_command(exported, monkeypatch, module):
    folder = exported("float32")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TauError, match=f"needs the package {module},") as error:
        load_bundle(folder)
    assert "pip install 'invarlock-calibration[onnx]'" in str(error.value)


def test_a_folder_that_cannot_be_used_is_told(tmp_path):
    wrapped = SCMInferenceWrapper(RationalHead(), CONFIG)
    with pytest.raises(StoreError, match="looked into") as error:
        export_bundle(wrapped, (torch.ones(2, 2),), tmp_path / ("b" * 300))
    assert error.value.fix
