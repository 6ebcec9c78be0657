import json
import shutil
from pathlib import Path

import onnx
import pytest

from invarlock.digests import sha256_hex
from invarlock.tau.bundle_files import checksums
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


def test_metadata_that_another_tau_was_written_into_are_refused_though_the_checksum_fits(bundle):
    for changes in ({"tau_infer": 2e-5}, {"tau_train": 2e-4}, {"dtype": "float64"}):
        before = (bundle / "metadata.json").read_bytes()
        edit_metadata(bundle, **changes)
        reseal(bundle)
        assert "exported gate" in refused(bundle) or "cannot run" in refused(bundle)
        (bundle / "metadata.json").write_bytes(before)
    for changes in ({"use_gap": False}, {"model_sha256": "0" * 64}, {"extra": 1}, {"tau_infer": None}):
        before = (bundle / "metadata.json").read_bytes()
        edit_metadata(bundle, **changes)
        reseal(bundle)
        assert "altered" in refused(bundle)
        (bundle / "metadata.json").write_bytes(before)


def test_thresholds_that_no_gate_has_are_refused(bundle):
    edit_metadata(bundle, tau_infer=-1.0)
    reseal(bundle)
    assert "-1.0" in refused(bundle)


def test_a_model_without_a_gate_is_refused_though_every_hash_fits(bundle):
    for data in (b"no model", onnx.ModelProto().SerializeToString() + b"\x10\x01"):
        (bundle / "model.onnx").write_bytes(data)
        edit_metadata(bundle, model_sha256=sha256_hex(data))
        reseal(bundle)
        assert "no gate" in refused(bundle) or "no ONNX" in refused(bundle)
