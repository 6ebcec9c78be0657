import json
import shutil
from pathlib import Path

import onnx
import pytest

from invarlock.digests import sha256_hex
from invarlock.errors import StoreError
from invarlock.tau.bundle_files import checksums
from invarlock.tau.bundle_graph import sealed
from invarlock.tau.bundle_load import load_bundle
from invarlock.tau.errors import TauError


@pytest.fixture
def bundle(exported, tmp_path):
    return Path(shutil.copytree(exported("float32"), tmp_path / "bundle"))


def reseal(folder):
    """Make the checksum file fit whatever the folder holds now."""
    files = {name: (folder / name).read_bytes() for name in ("metadata.json", "model.onnx")}
    (folder / "SHA256SUMS").write_bytes(checksums(files))


def edit_metadata(folder, **changes):
    path = folder / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def put_model(folder, data):
    """Another model, and every hash of a file made to fit it."""
    (folder / "model.onnx").write_bytes(data)
    edit_metadata(folder, model_sha256=sha256_hex(data))
    reseal(folder)


def refused(folder):
    with pytest.raises(TauError) as error:
        load_bundle(folder)
    return str(error.value)


def test_a_copy_loads(bundle):
    assert load_bundle(str(bundle)).metadata.tau_infer == 1e-5


@pytest.mark.parametrize("name", ["metadata.json", "model.onnx", "SHA256SUMS"])
def test_every_flipped_bit_is_refused(bundle, name):
    whole = (bundle / name).read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 40)):
        (bundle / name).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert "altered" in refused(bundle)
    (bundle / name).write_bytes(whole)
    load_bundle(bundle)


@pytest.mark.parametrize("name", ["metadata.json", "model.onnx", "SHA256SUMS"])
def test_an_absent_file_is_named(bundle, name):
    (bundle / name).unlink()
    assert f"{name} is absent" in refused(bundle)


def test_a_folder_that_is_none(tmp_path):
    assert "no bundle" in refused(tmp_path / "nowhere")


@pytest.mark.parametrize("line", ["0" * 64 + "  ../model.onnx\n", "0" * 64 + "  /etc/hosts\n", "", "\n"])
def test_a_checksum_file_that_lists_anything_else_is_refused(bundle, line):
    sums = bundle / "SHA256SUMS"
    sums.write_text(sums.read_text() + line if line else "")
    assert "altered" in refused(bundle)


@pytest.mark.parametrize(
    "changes",
    [
        {"tau_infer": 2e-5},
        {"tau_infer": 1e-5 + 1e-14},  # the same in float32
        {"tau_infer": -1.0},
        {"tau_infer": None},
        {"tau_train": 2e-4},
        {"tau_train": None},
        {"dtype": "float64"},
        {"use_gap": False},
        {"model_sha256": "0" * 64},
        {"extra": 1},
        {"gauge": {"head": "RationalHead", "normalisation": "none", "magnitude_convention": "abs(Q)"}},
        {
            "calibration": {
                "sweep_sha256": "0" * 64,
                "dtype": "float32",
                "requirement": {"max_fp": 1e-6},
                "split": "held_out",
            }
        },
    ],
)
def test_edited_metadata_are_refused_though_the_checksum_fits(bundle, changes):
    edit_metadata(bundle, **changes)
    reseal(bundle)
    assert "altered" in refused(bundle)


def test_a_model_without_a_gate_is_refused_though_every_hash_fits(bundle):
    seal = load_bundle(bundle).metadata.digest()
    for data, said in ((b"no model", "no ONNX file"), (sealed(onnx.ModelProto(), seal), "no gate")):
        put_model(bundle, data)
        assert said in refused(bundle)


def test_a_gate_that_gates_otherwise_is_refused_though_every_hash_fits(bundle):
    graph = onnx.load(bundle / "model.onnx")
    less = next(node for node in graph.graph.node if node.op_type == "Less")
    less.op_type = "LessOrEqual"
    put_model(bundle, graph.SerializeToString())
    assert "the exported gate gives" in refused(bundle)


def test_a_name_that_no_file_can_have(tmp_path):
    with pytest.raises(TauError, match="no name"):
        load_bundle(f"{tmp_path}/a\0b")
    with pytest.raises(StoreError, match="cannot be read") as error:
        load_bundle(tmp_path / ("b" * 300))
    assert error.value.fix
