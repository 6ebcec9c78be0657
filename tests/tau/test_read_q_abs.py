import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from invarlock.errors import InvarlockError
from invarlock.tau.metrics import tau_infer_sweep_from_q_abs
from invarlock.tau.read_q_abs import read_q_abs
from invarlock.tau.samples import CHUNK
from invarlock.tau.split import split_samples
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
    samples = read_q_abs(write(tmp_path / f"held_out{suffix}", frame), id_column="id")
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
    samples = read_q_abs(tmp_path / "q.npy", labels=tmp_path / "labels.npy", ids=tmp_path / "ids.npy")
    found = sweep_of(count_taus(samples, [1.0, 50.0, 300.0])).model_dump(mode="json")
    assert found == tau_infer_sweep_from_q_abs(q, is_in_range=labels, taus=[1.0, 50.0, 300.0])
    assert split_samples(samples)[2].ids == "given"


def test_integer_ids_are_the_same_in_text_and_in_types(tmp_path):
    frame = table(200).assign(id=np.arange(1000, 1200))
    splits = [
        split_samples(read_q_abs(write(tmp_path / f"f{suffix}", frame), id_column="id"))[0].keep.tolist()
        for suffix in (".npz", ".csv", ".parquet", ".jsonl")
    ]
    assert all(split == splits[0] for split in splits)


def test_labels_may_lie_in_another_file_of_another_format(tmp_path):
    frame = table()
    np.save(tmp_path / "q.npy", frame["q_abs"].to_numpy())
    labels = write(tmp_path / "labels.csv", frame[["is_in_range"]].rename(columns={"is_in_range": "ok"}))
    samples = read_q_abs(tmp_path / "q.npy", labels=labels, label_column="ok")
    assert count_taus(samples, TAUS).in_range.n == frame["is_in_range"].sum()


def test_a_byte_order_mark_quotes_and_lines_in_cells(tmp_path):
    path = tmp_path / "q.csv"
    path.write_bytes('\ufeff"q_abs",note,is_in_range\r\n0.5,"a\nb",TRUE\r\n\r\nNaN,,false\r\n'.encode())
    assert count_taus(read_q_abs(path), [1.0]).in_range.bottom == (1,)
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
        ("", "line 1 names column 'q_abs' 0 times"),
        ("q_abs,is_in_range\n", "q_abs has no values"),
        ("q_abs\n0.1\n\n0.2\n", "line 3 has 0 cells"),
        ('q_abs,is_in_range\n"0.1"x,true\n', "is no CSV"),
    ],
    "q.jsonl": [
        (
            '{"q_abs": 1, "is_in_range": true}\n{"q_abs": null, "is_in_range": true}\n',
            "line 2, column q_abs: None is not",
        ),
        ('{"q_abs": true, "is_in_range": true}\n', "line 1, column q_abs: True is not"),
        ('{"q_abs": "1", "is_in_range": true}\n', "line 1, column q_abs: '1' is not"),
        ('{"q_abs": -1, "is_in_range": true}\n', "line 1, column q_abs: -1 is not"),
        ('{"q_abs": 1, "is_in_range": 1}\n', "line 1, column is_in_range: 1 is not true or false"),
        ('{"q_abs": 1' + "0" * 400 + ', "is_in_range": true}\n', "line 1, column q_abs: 10000"),
        ('{"q_abs": 1}\n', "line 1 has no key 'is_in_range'"),
        ("[1]\n", "line 1 has no key 'q_abs'"),
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


def _arrays(folder, q, labels):
    np.save(folder / "q.npy", q)
    np.save(folder / "l.npy", labels)
    return read_q_abs(folder / "q.npy", labels=folder / "l.npy")


@pytest.mark.parametrize(
    ("q", "labels", "message"),
    [
        (np.ones(3), np.ones(3), "column is_in_range is float64; a cell must be true or false"),
        (np.ones(3), np.ones(2, bool), "has 2 rows; .* has 3"),
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


def test_missing_values_of_parquet_are_no_faults(tmp_path):
    frame = pyarrow.table({"q_abs": [1.0, None], "is_in_range": [True, False]})
    pyarrow.parquet.write_table(frame, tmp_path / "q.parquet")
    with pytest.raises(ValueError, match="row 1, column q_abs: missing"):
        read_q_abs(tmp_path / "q.parquet")


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
