"""Opening checkpoints: whole ones read back bit for bit, broken ones refused with file and reason."""

import json
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.checkpoints.safetensors_file import DTYPES, read_header, read_tensor
from invarlock.errors import ModelError
from invarlock.measure.tensor_digest import digest_model
from tests.measure.tiny_models import build


@pytest.fixture
def copied(saved, tmp_path):
    return shutil.copytree(saved("gpt2"), tmp_path / "model")


def test_tensors_are_those_the_safetensors_library_reads(saved):
    checkpoint = open_checkpoint(str(saved("llama")))
    expected = load_file(saved("llama") / "model.safetensors")
    assert [entry.name for entry in checkpoint.entries] == sorted(expected)
    assert checkpoint.model_type == "llama"
    assert all(torch.equal(checkpoint.read(name), tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_every_dtype_and_shape_reads_back(dtype, tmp_path):
    random = torch.randint(0, 2, (3, 8), dtype=torch.uint8)
    tensors = {
        "matrix": random.view(torch.uint8).to(dtype),
        "empty": torch.zeros(0, 4, dtype=dtype),
        "scalar": torch.ones((), dtype=dtype),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    for entry in read_header(tmp_path / "model.safetensors"):
        read = read_tensor(entry)
        assert (read.dtype, read.shape) == (dtype, tensors[entry.name].shape)
        assert torch.equal(read.double(), tensors[entry.name].double())


def test_shards_are_one_checkpoint(saved, tmp_path):
    build("llama").save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    whole, sharded = open_checkpoint(str(saved("llama"))), open_checkpoint(str(tmp_path))
    assert digest_model(whole) == digest_model(sharded)


def test_a_tensor_that_the_index_does_not_place_is_refused(tmp_path):
    build("llama").save_pretrained(tmp_path, max_shard_size="20KB")
    index = tmp_path / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    name = "model.layers.1.mlp.up_proj.weight"
    shard = content["weight_map"].pop(name)
    assert shard in content["weight_map"].values()
    index.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=f"{shard} holds tensor {name}"):
        open_checkpoint(str(tmp_path))


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_pickle_needs_permission(saved, tmp_path, sharded, zipped):
    tensors = load_file(saved("gpt2") / "model.safetensors")
    shutil.copy(saved("gpt2") / "config.json", tmp_path)
    name = "pytorch_model-00001-of-00001.bin" if sharded else "pytorch_model.bin"
    torch.save(tensors, tmp_path / name, _use_new_zipfile_serialization=zipped)
    if sharded:
        index = {"weight_map": dict.fromkeys(tensors, name)}
        (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="--allow-pickle"):
        open_checkpoint(str(tmp_path))
    pickled = open_checkpoint(str(tmp_path), allow_pickle=True)
    assert pickled.pickled
    assert digest_model(pickled) == digest_model(open_checkpoint(str(saved("gpt2"))))


class _Intruder:
    def __reduce__(self):
        return (print, ("run by a pickle",))


@pytest.mark.parametrize("content", [{"a": _Intruder()}, [torch.ones(2)], {"a": "text"}])
def test_a_pickle_of_anything_else_is_refused(content, copied, capsys):
    (copied / "model.safetensors").unlink()
    torch.save(content, copied / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin"):
        open_checkpoint(str(copied), allow_pickle=True)
    assert "run by a pickle" not in capsys.readouterr().out


def test_truncation_is_seen_at_any_length(copied):
    path = copied / "model.safetensors"
    data = path.read_bytes()
    for kept in (0, 4, 8, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:kept])
        with pytest.raises(ModelError, match="damaged or truncated") as caught:
            open_checkpoint(str(copied))
        assert caught.value.where == str(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(ModelError, match="damaged or truncated"):
        open_checkpoint(str(copied))


def test_a_flipped_bit_in_the_header_is_an_error_or_another_name(copied):
    """What still parses must have changed the digest. The free-text metadata names no tensor: left out."""
    path = copied / "model.safetensors"
    data = path.read_bytes()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    whole = digest_model(open_checkpoint(str(copied))).digest
    metadata = data.index(b'{"format":"pt"}')
    positions = [p for p in range(0, len(data[:end].rstrip()), 7) if not metadata <= p < metadata + 15]
    refusals = []
    for position in positions:
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        try:
            assert digest_model(open_checkpoint(str(copied))).digest != whole
        except ModelError as error:
            refusals.append(error.where)
    assert set(refusals) == {str(path)}
    assert len(refusals) > len(positions) / 4


def test_a_flipped_bit_in_a_tensor_changes_the_digest_alone(copied):
    path = copied / "model.safetensors"
    before = digest_model(open_checkpoint(str(copied)))
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    after = digest_model(open_checkpoint(str(copied)))
    assert before.digest != after.digest
    assert sum(after.tensors[name] != sha256 for name, sha256 in before.tensors.items()) == 1


def _header(**tensors):
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + b"\0" * 8


@pytest.mark.parametrize(
    "data",
    [
        _header(a={"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}),
        _header(a={"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}),
        _header(a={"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}),
        _header(a={"dtype": "F4", "shape": [2], "data_offsets": [0, 8]}),
        _header(a={"dtype": "F32", "shape": [2]}),
        _header(a=[]),
        struct.pack("<Q", 4) + b"[1]\n",
        struct.pack("<Q", 2**62) + b"{}",
    ],
)
def test_malformed_headers_are_refused(data, copied):
    (copied / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        open_checkpoint(str(copied))


def test_broken_folders_say_what_is_wrong(copied, tmp_path):
    index = copied / "model.safetensors.index.json"
    (copied / "model.safetensors").rename(copied / "one.safetensors")
    with pytest.raises(ModelError, match="no weights"):
        open_checkpoint(str(copied))
    index.write_text(json.dumps({"weight_map": {"no.such.weight": "one.safetensors"}}))
    with pytest.raises(ModelError, match=r"no\.such\.weight"):
        open_checkpoint(str(copied))
    index.write_text(json.dumps({"weight_map": {"a": "two.safetensors"}}))
    with pytest.raises(ModelError, match=r"two\.safetensors is missing"):
        open_checkpoint(str(copied))
    index.write_text(json.dumps({"weight_map": {"a": "../model/one.safetensors"}}))
    with pytest.raises(ModelError, match="is missing"):
        open_checkpoint(str(copied))
    index.write_text("{}")
    with pytest.raises(ModelError, match="weight_map"):
        open_checkpoint(str(copied))
    for text, reason in (("{", "not JSON"), ("[]", "not a mapping"), ("{}", "model_type")):
        (copied / "config.json").write_text(text)
        with pytest.raises(ModelError, match=reason):
            open_checkpoint(str(copied))
    (copied / "config.json").unlink()
    with pytest.raises(ModelError, match="missing"):
        open_checkpoint(str(copied))
    with pytest.raises(ModelError, match="no such model folder"):
        open_checkpoint(str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match="this is a file"):
        open_checkpoint(str(index))


def test_a_hub_id_fails_at_once_while_the_network_is_off(monkeypatch, tmp_path):
    monkeypatch.delenv("INVARLOCK_ALLOW_NETWORK", raising=False)
    with pytest.raises(ModelError, match="network is off") as caught:
        open_checkpoint("some-org/some-model-nobody-has")
    assert "some-org/some-model-nobody-has" in str(caught.value)
    assert "INVARLOCK_ALLOW_NETWORK=1" in str(caught.value)
    assert "--allow-network" in str(caught.value)
