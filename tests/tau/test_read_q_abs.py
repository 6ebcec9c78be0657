import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from invarlock.digests import sha256_file
from invarlock.errors import InvarlockError
from invarlock.tau.calibrate import calibrate_tau_infer
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.metrics import tau_infer_sweep_from_q_abs
from invarlock.tau.read_q_abs import read_q_abs
from invarlock.tau.recommend import recommend_tau_infer
from invarlock.tau.requirement import Requirement
from invarlock.tau.samples import CHUNK, samples_of
from invarlock.tau.split import split_samples
from invarlock.tau.strict import strict_inference
from invarlock.tau.sweep import count_taus
from invarlock.tau.sweep_record import sweep_of

TAUS = [1e-3, 1e-2, 1.0]


def table(n=300):
    rng = np.random.default_rng(0)
    q = np.exp(rng.normal(-4, 3, n))
    q[::29], q[1::31] = np.nan, np.inf
    return pd.DataFrame({"q_abs": q, "is_in_range": rng.random(n) < 0.5, "id": [f"s{i}" for i in range(n)]})


def write(path: Path, frame: pd.DataFrame) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **{name: np.array(frame[name].to_list()) for name in frame})
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False, na_rep="nan")
    elif path.suffix == ".parquet":
        columns = {
            name: pyarrow.array(frame[name].to_list()) for name in frame
        }  # pandas would write null for NaN
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
    else:
        rows = (json.dumps(row) for row in frame.to_dict("records"))
        path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet", ".jsonl"])
def test_every_format_gives_the_same_samples(tmp_path, suffix):
    frame = table()
    path = write(tmp_path / f"held_out{suffix}", frame)
    samples = read_q_abs(path, id_column="id", gate_dtype=GateDtype.FLOAT64)
    expected = tau_infer_sweep_from_q_abs(
        frame["q_abs"].to_numpy(), is_in_range=frame["is_in_range"].to_numpy(), taus=TAUS
    )
    assert sweep_of(count_taus(samples, TAUS)).model_dump(mode="json") == expected
    assert np.asarray(samples.ids[0:300]).tolist() == frame["id"].to_list()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "int32"])
def test_npy_files_are_read_slice_by_slice(tmp_path, dtype):
    n = CHUNK + 999
    rng = np.random.default_rng(1)
    q, labels = (100 * rng.exponential(size=n)).astype(dtype), rng.random(n) < 0.5
    np.save(tmp_path / "q.npy", q)
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "ids.npy", np.arange(n))
    samples = read_q_abs(
        tmp_path / "q.npy",
        labels=tmp_path / "labels.npy",
        ids=tmp_path / "ids.npy",
        gate_dtype=GateDtype.FLOAT64 if dtype == "int32" else None,
    )
    found = sweep_of(count_taus(samples, [1.0, 50.0, 300.0])).model_dump(mode="json")
    assert found == tau_infer_sweep_from_q_abs(q, is_in_range=labels, taus=[1.0, 50.0, 300.0])
    assert split_samples(samples)[2].ids == "given"


IDS = {
    "integers": np.arange(1000, 1200),
    "integers as text": [str(n) for n in range(1000, 1200)],
    "one of them text": ["x1", *(str(n) for n in range(1001, 1200))],
    "25 digits": [f"{10**24 + n}" for n in range(200)],
}


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_a_samples_side_is_the_same_in_every_format(tmp_path, ids):
    frame = table(200).assign(id=ids)
    split = [
        split_samples(samples_of(frame["q_abs"], frame["is_in_range"], ids=frame["id"]))[0].keep.tolist()
    ]
    for suffix in (".npz", ".csv", ".parquet", ".jsonl"):
        path = write(tmp_path / f"f{suffix}", frame)
        samples = read_q_abs(path, id_column="id", gate_dtype=GateDtype.FLOAT64)
        split.append(split_samples(samples)[0].keep.tolist())
    assert all(sides == split[0] for sides in split)
    assert 60 < sum(split[0]) < 140


def test_adding_a_text_id_moves_nobody(tmp_path):
    rows = [f"{n}.0,true,{n}\n" for n in range(1000)]
    keep = []
    for more in ([], ["5.0,true,x1\n"]):
        (tmp_path / "q.csv").write_text("".join(["q_abs,is_in_range,id\n", *rows, *more]))
        samples = read_q_abs(tmp_path / "q.csv", id_column="id", gate_dtype=GateDtype.FLOAT32)
        keep.append(split_samples(samples)[0].keep[:1000].tolist())
    assert keep[0] == keep[1]


def test_ids_of_any_length_and_half_a_surrogate_pair(tmp_path):
    (tmp_path / "q.csv").write_text(f"q_abs,is_in_range,id\n1,true,{'1' * 5000}\n2,true,{'1' * 5001}\n")
    samples = read_q_abs(tmp_path / "q.csv", id_column="id", gate_dtype=GateDtype.FLOAT32)
    assert split_samples(samples)[2].n_repeated == 0
    path = tmp_path / "q.jsonl"
    path.write_text('{"q_abs": 1, "is_in_range": true, "id": "\\ud800"}\n')
    with pytest.raises(TauError, match=r"line 1, column id: '\\ud800' is not an integer or text"):
        read_q_abs(path, id_column="id")
    path.write_text('{"q_abs": 1, "is_in_range": true, "id": ' + "1" * 5000 + "}\n")
    with pytest.raises(TauError, match="line 1 is no JSON"):
        read_q_abs(path, id_column="id")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".npz", ".parquet"])
def test_a_file_without_a_floating_type_must_be_told_the_gates(tmp_path, suffix):
    frame = table(20)
    if suffix in (".npz", ".parquet"):
        frame["q_abs"] = np.arange(20)
    path = write(tmp_path / f"q{suffix}", frame)
    with pytest.raises(TauError, match=r"in which dtype the gate compares q_abs(.|\n)*--gate-dtype"):
        read_q_abs(path)
    assert read_q_abs(path, gate_dtype=GateDtype.FLOAT32).dtype == "float32"


def test_a_tau_from_text_keeps_its_promise_in_a_float32_gate(tmp_path):
    q = np.random.default_rng(0).exponential(size=2000).astype(np.float32)
    q[:600] = np.float32(0.1) * 30  # a saturated head: ties that the next float64 would be rounded onto
    q[600:] = np.minimum(q[600:], 2)
    rows = [f"{float(value)!r},false\n" for value in q]
    (tmp_path / "q.csv").write_text("".join(["q_abs,is_in_range\n", *rows]))
    samples = read_q_abs(tmp_path / "q.csv", gate_dtype=GateDtype.FLOAT32)
    found = recommend_tau_infer(samples, Requirement(max_fp=0.05))
    assert strict_inference(np.ones_like(q), q, InferenceConfig(found.tau_infer)).bottom_mask.all()


def narrow(dtype, n=2000):
    """Values of ``dtype`` with ties, onto which the next value of a wider one would be rounded."""
    q = GateDtype(dtype).round(np.random.default_rng(0).exponential(size=n) / 200)
    q[:600] = GateDtype(dtype).round(0.01)
    return np.minimum(q, q[0])


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet"])
@pytest.mark.parametrize(
    ("values", "file", "named"),
    [
        ("float32", "float64", "float32 or float64"),
        ("bfloat16", "float32", "bfloat16 or float32"),
        ("float16", "float64", "float16 or float32 or float64"),
    ],
)
def test_a_file_wider_than_its_values_must_be_told_the_gates_dtype(tmp_path, suffix, values, file, named):
    q = narrow(values).astype(file)
    path, beside = tmp_path / f"q{suffix}", None
    if suffix == ".npy":
        beside = tmp_path / "labels.npy"
        np.save(path, q)
        np.save(beside, np.zeros(q.size, bool))
    else:
        frame = pd.DataFrame({"q_abs": q, "is_in_range": np.zeros(q.size, bool)})
        np.savez(
            path, **{name: frame[name].to_numpy() for name in frame}
        ) if suffix == ".npz" else frame.to_parquet(path)
    with pytest.raises(TauError, match=rf"exact in {values}(.|\n)*--gate-dtype {named} ") as caught:
        read_q_abs(path, labels=beside)
    assert str(path) in str(caught.value)
    for gate in (values, file):
        assert read_q_abs(path, labels=beside, gate_dtype=GateDtype(gate)).dtype == gate


def test_a_tau_of_float32_values_in_a_float64_file_keeps_its_promise_or_is_refused_by_the_gate(tmp_path):
    q = narrow("float32")
    np.savez(
        tmp_path / "q.npz",
        q_abs=q.astype(np.float64),
        is_in_range=np.zeros(q.size, bool),
        id=np.arange(q.size),
    )
    configs = {}
    for gate in (GateDtype.FLOAT32, GateDtype.FLOAT64):
        samples = read_q_abs(tmp_path / "q.npz", id_column="id", gate_dtype=gate)
        found = calibrate_tau_infer(samples, Requirement(max_fp=0.01)).recommendation
        configs[gate] = InferenceConfig(found.tau_infer, gate_dtype=found.dtype)
    assert strict_inference(q, q, configs[GateDtype.FLOAT32]).bottom_mask.all()
    with pytest.raises(TauError, match="calibrated for a float64 gate, and Q is float32"):
        strict_inference(q, q, configs[GateDtype.FLOAT64])
    unnamed = InferenceConfig(configs[GateDtype.FLOAT64].tau_infer)
    assert (~strict_inference(q, q, unnamed).bottom_mask).sum() >= 600  # what that would have let pass


def test_one_value_that_needs_the_files_dtype_is_enough_and_ends_the_reading(tmp_path):
    q = np.ones(2 * CHUNK)
    q[CHUNK + 3], q[-1] = 0.1, np.nan
    frame = {"q_abs": q, "is_in_range": np.zeros(q.size, bool)}
    np.savez(tmp_path / "late.npz", **frame)
    assert read_q_abs(tmp_path / "late.npz").dtype == "float64"
    q[0], q[-1] = 0.1, -1
    np.savez(tmp_path / "early.npz", **frame)
    samples = read_q_abs(tmp_path / "early.npz")  # the chunk with the negative value is not read yet
    with pytest.raises(TauError, match=rf"q_abs\[{q.size - 1}\] is -1"):
        count_taus(samples, [1.0])


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_values_that_tell_no_dtype(tmp_path, value):
    np.savez(tmp_path / "q.npz", q_abs=np.full(9, value, np.float32), is_in_range=np.zeros(9, bool))
    with pytest.raises(TauError, match="every finite q_abs is exact in float16 and bfloat16 too"):
        read_q_abs(tmp_path / "q.npz")


def test_files_are_named_by_text_as_well(tmp_path):
    frame = table()
    path, other = str(write(tmp_path / "a.parquet", frame)), str(write(tmp_path / "b.npz", frame))
    samples = read_q_abs(path, labels=other, ids=other, gate_dtype=GateDtype.FLOAT64)
    assert (samples.where, sha256_file(path)) == (Path(path), sha256_file(Path(path)))
    assert np.asarray(samples.ids).tolist() == frame["id"].to_list()
    np.save(tmp_path / "q.npy", np.ones(3))
    with pytest.raises(TauError, match=r"an \.npy holds"):
        read_q_abs(str(tmp_path / "q.npy"))


def test_labels_may_lie_in_another_file_of_another_format(tmp_path):
    frame = table()
    np.save(tmp_path / "q.npy", frame["q_abs"].to_numpy())
    labels = write(tmp_path / "labels.csv", frame[["is_in_range"]].rename(columns={"is_in_range": "ok"}))
    samples = read_q_abs(tmp_path / "q.npy", labels=labels, label_column="ok")  # float64, as the file is
    assert count_taus(samples, TAUS).in_range.n == frame["is_in_range"].sum()


def test_a_byte_order_mark_quotes_and_lines_in_cells(tmp_path):
    path = tmp_path / "q.csv"
    path.write_bytes('\ufeff"q_abs",note,is_in_range\r\n0.5,"a\nb",TRUE\r\n\r\nNaN,,false\r\n'.encode())
    assert count_taus(read_q_abs(path, gate_dtype=GateDtype.FLOAT32), [1.0]).in_range.bottom == (1,)
    path.write_bytes(b'q_abs,note,is_in_range\n0.5,"a\nb",true\n0.5,x,maybe\n')
    with pytest.raises(ValueError, match="line 4, column is_in_range: 'maybe' is not true or false"):
        read_q_abs(path)


TEXT = {
    "q.csv": [
        ("q_abs,is_in_range\n0.1,true\nx,true\n", "line 3, column q_abs: 'x' is not a number"),
        ("q_abs,is_in_range\n0.1,true\n-0.1,true\n", "line 3, column q_abs: '-0.1' is not a number >= 0"),
        ("q_abs,is_in_range\n,true\n", "line 2, column q_abs: '' is not a number"),
        ("q_abs,is_in_range\n0.1,1\n", "line 2, column is_in_range: '1' is not true or false"),
        ("q_abs,is_in_range\n0.1\n", "line 2 has 1 cells, line 1 has 2"),
        ("q,is_in_range\n0.1,true\n", "line 1 names column 'q_abs' 0 times"),
        ("q_abs,q_abs,is_in_range\n1,1,true\n", "line 1 names column 'q_abs' 2 times"),
        ("q_abs,is_in_range\n1_0,true\n", "line 2, column q_abs: '1_0' is not a number"),
        ("q_abs,is_in_range\n0.1,1\n", "line 2(.|\\n)*fix: +write true where the truth is in range"),
        ("q_abs,is_in_range\n0.1\n", "fix: +give each row a cell for every column"),
        ("", "line 1 names column 'q_abs' 0 times"),
        ("q_abs,is_in_range\n", "q_abs has no values"),
        ("q_abs\n0.1\n\n0.2\n", "line 3 has 0 cells"),
        ('q_abs,is_in_range\n"0.1"x,true\n', "is no CSV"),
    ],
    "q.jsonl": [
        (
            '{"q_abs": 1, "is_in_range": true}\n{"q_abs": null, "is_in_range": true}\n',
            "line 2, column q_abs: null is not",
        ),
        ('{"q_abs": true, "is_in_range": true}\n', "line 1, column q_abs: True is not"),
        ('{"q_abs": "1", "is_in_range": true}\n', "line 1, column q_abs: '1' is not"),
        ('{"q_abs": -1, "is_in_range": true}\n', "line 1, column q_abs: -1 is not"),
        ('{"q_abs": 1, "is_in_range": 1}\n', "line 1, column is_in_range: 1 is not true or false"),
        ('{"q_abs": 1' + "0" * 400 + ', "is_in_range": true}\n', "line 1, column q_abs: 10000"),
        ('{"q_abs": 1}\n', "line 1 has no key 'is_in_range'"),
        ("[1]\n", "line 1 has no key 'q_abs'"),
        ('{"q_abs": 1, "is_in_range": true, "q_abs": 2}\n', "line 1 is no JSON: a key is there twice"),
        ("[" * 100_000 + "\n", "line 1 is no JSON"),
        ('{"q_abs": 1, "is_in_range": true}\n{"q_abs": 1,\n', "line 2 is no JSON"),
    ],
}


@pytest.mark.parametrize(
    ("name", "text", "message"), [(name, *case) for name, cases in TEXT.items() for case in cases]
)
def test_a_bad_cell_is_told_by_file_line_and_column(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_q_abs(path)
    assert isinstance(caught.value, InvarlockError)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".parquet", ".jsonl"])
def test_bytes_that_are_no_such_file(tmp_path, suffix):
    path = tmp_path / f"q{suffix}"
    path.write_bytes(b"\xff\xfe\x00nothing of the kind" * 9)
    labels = write(tmp_path / "labels.csv", table()[["is_in_range"]])
    with pytest.raises(ValueError, match=r"is no|names column") as caught:
        read_q_abs(path, labels=labels)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_that_are_none(tmp_path, suffix):
    np.savez(tmp_path / "z.npz", q_abs=np.ones(3), is_in_range=np.ones(3, bool))
    path = tmp_path / f"q{suffix}"
    if suffix == ".npy":
        (tmp_path / "z.npz").rename(path)
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("q_abs", "plain bytes")
    labels = write(tmp_path / "labels.csv", table(3)[["is_in_range"]])
    with pytest.raises(TauError, match="q_abs is no array") as caught:
        read_q_abs(path, labels=labels)
    assert str(path) in str(caught.value)


def test_damage_anywhere_in_a_file_is_a_tau_error(tmp_path):
    q, labels = np.random.default_rng(0).random(500), np.ones(500, bool)
    np.save(tmp_path / "q.npy", q)
    np.savez_compressed(tmp_path / "q.npz", q_abs=q, is_in_range=labels)
    np.save(tmp_path / "labels.npy", labels)
    write(tmp_path / "q.parquet", pd.DataFrame({"q_abs": q, "is_in_range": labels}))
    rng, refused = np.random.default_rng(1), 0
    for name in ("q.npy", "q.npz", "q.parquet"):
        path, whole = tmp_path / name, (tmp_path / name).read_bytes()
        for _ in range(150):
            damaged = bytearray(whole)
            for place in rng.integers(0, rng.choice([150, len(damaged)]), 4):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged)
            try:
                read_q_abs(path, labels=tmp_path / "labels.npy")
            except TauError as error:
                refused += str(path) in str(error)
    assert refused > 100


def _arrays(folder, q, labels):
    np.save(folder / "q.npy", q)
    np.save(folder / "l.npy", labels)
    return read_q_abs(folder / "q.npy", labels=folder / "l.npy", gate_dtype=GateDtype.FLOAT64)


@pytest.mark.parametrize(
    ("q", "labels", "message"),
    [
        (np.ones(3), np.ones(3), "column is_in_range is float64; a cell must be true or false"),
        (np.ones(3), np.ones(2, bool), "has 2 rows; .* has 3 rows"),
        (np.ones((2, 3)), np.ones((3, 2), bool), r"has shape \(3, 2\); .* has shape \(2, 3\)"),
        (np.ones((2, 3)), np.ones(6, bool), r"has 6 rows; .* has shape \(2, 3\)"),
        (np.array(["a"]), np.ones(1, bool), "column q_abs is <U1; a cell must be a number"),
        (np.array([{}]), np.ones(1, bool), "is no .npy of numbers"),
        (np.ones(0), np.ones(0, bool), "no values|is no .npy"),
    ],
)
def test_arrays_that_are_no_samples(tmp_path, q, labels, message):
    with pytest.raises(ValueError, match=message):
        _arrays(tmp_path, q, labels)


def test_a_negative_value_of_an_npy_is_told_by_row(tmp_path):
    q = np.ones(CHUNK + 10)
    q[CHUNK + 3] = -2.0
    samples = _arrays(tmp_path, q, np.ones(q.size, bool))
    with pytest.raises(ValueError, match=rf"q_abs\[{CHUNK + 3}\] is -2(.|\n)*q\.npy"):
        count_taus(samples, [1.0])


def test_arrays_of_any_one_shape_are_read_in_their_order(tmp_path):
    q = np.arange(6.0).reshape(2, 3)
    found = [chunk.q_abs.tolist() for chunk in _arrays(tmp_path, q, q > 2).chunks()]
    assert found == [[0, 1, 2, 3, 4, 5]]


def _as_pandas_does(path, frame):
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)


def _keeping_nan(path, frame):
    """As the message says."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False, na_rep="nan")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    else:
        columns = {name: pyarrow.array(frame[name], from_pandas=False) for name in frame}
        pyarrow.parquet.write_table(pyarrow.table(columns), path)


@pytest.mark.parametrize(
    ("suffix", "told", "advised"),
    [
        (".csv", "line 3, column q_abs: '' is not a number", 'to_csv(path, na_rep="nan")'),
        (".jsonl", "line 2, column q_abs: null is not a number", "json.dumps of each row"),
        (".parquet", "row 1, column q_abs: null, not a number", "pyarrow.array(q_abs, from_pandas=False)"),
    ],
)
def test_what_pandas_writes_for_nan_is_no_fault_and_the_advice_makes_it_one(tmp_path, suffix, told, advised):
    frame = pd.DataFrame({"q_abs": [1.0, np.nan, 2.0], "is_in_range": [True, False, False]})
    path = tmp_path / f"q{suffix}"
    _as_pandas_does(path, frame)
    with pytest.raises(TauError) as caught:
        read_q_abs(path, gate_dtype=GateDtype.FLOAT64)
    assert told in caught.value.what
    assert f"pandas writes NaN so. If the sample is a fault, write nan: {advised}" in caught.value.fix
    _keeping_nan(path, frame)
    counts = count_taus(read_q_abs(path, gate_dtype=GateDtype.FLOAT64), [1.5])
    assert (counts.censored.n, counts.censored.n_fault, counts.in_range.n_fault) == (2, 1, 0)


def test_a_label_that_is_missing_is_no_fault(tmp_path):
    pyarrow.parquet.write_table(
        pyarrow.table({"q_abs": [1.0], "is_in_range": [None]}), tmp_path / "q.parquet"
    )
    with pytest.raises(TauError, match="row 0, column is_in_range: null, not true or false") as caught:
        read_q_abs(tmp_path / "q.parquet")
    assert "pandas" not in caught.value.fix


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path, suffix):
    path = write(tmp_path / f"q{suffix}", table())
    with pytest.raises(ValueError, match=r"has no column 'q'(.|\n)*q_abs, is_in_range, id"):
        read_q_abs(path, q_column="q")


def test_files_that_cannot_serve(tmp_path):
    with pytest.raises(ValueError, match=r"no reader for '\.txt'"):
        read_q_abs(tmp_path / "q.txt")
    with pytest.raises(ValueError, match="cannot read: No such file"):
        read_q_abs(tmp_path / "q.csv")
    with pytest.raises(ValueError, match=r"an \.npy holds \|Q\| alone"):
        read_q_abs(tmp_path / "q.npy")
