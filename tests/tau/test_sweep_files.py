import json
import math

import numpy as np
import pytest

from invarlock.errors import InvarlockError, StoreError
from invarlock.tau.counts import ClassCounts, TauCounts
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.metrics import tau_infer_sweep_from_q_abs, write_tau_infer_sweep
from invarlock.tau.sweep_files import checked_sweep
from invarlock.tau.sweep_record import counts_of, sweep_of

TAUS = [1e-5, 1e-6, 3e-5]


@pytest.fixture
def curves():
    rng = np.random.default_rng(0)
    q = np.exp(rng.normal(-10, 2, 500))
    q[3] = np.nan
    return tau_infer_sweep_from_q_abs(q, is_in_range=rng.random(500) < 0.5, taus=TAUS)


def test_the_seeds_snippet_writes_both_files_and_the_same_bytes_again(tmp_path, curves):
    files = write_tau_infer_sweep(tmp_path / "a" / "b", curves, provenance={"split": "held_out"})
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == [
        "tau_infer_sweep.json",
        "tau_infer_sweep.md",
    ]
    written = json.loads(files.json_path.read_text())
    assert written == {"kind": "tau_infer_sweep", "provenance": {"split": "held_out"}, **curves}
    again = write_tau_infer_sweep(str(tmp_path / "c"), curves, provenance={"split": "held_out"})
    assert again.json_path.read_bytes() == files.json_path.read_bytes()
    assert again.markdown_path.read_bytes() == files.markdown_path.read_bytes()


def test_the_report_has_a_row_a_tau_in_the_order_asked(tmp_path, curves):
    text = write_tau_infer_sweep(tmp_path, curves, provenance={"split": "held_out"}).markdown_path.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| tau")]
    assert [float(row.split("|")[1]) for row in rows] == TAUS
    assert f"| {curves['fn_in'][1]:.4g} [" in rows[1]
    assert '"split": "held_out"' in text


def test_one_class_only_is_still_written_with_its_reason(tmp_path):
    curves = tau_infer_sweep_from_q_abs([0.5], is_in_range=[True], taus=[1.0])
    files = write_tau_infer_sweep(tmp_path, curves)
    assert json.loads(files.json_path.read_text())["fp_cens"] == [None]
    assert "fp_cens is empty: no sample is censored." in files.markdown_path.read_text()


@pytest.mark.parametrize(
    "name", ["../tau", "a/b", "/tmp/tau", "", ".", "..", "a\\b", ".hidden", "a\n", "a\0"]
)
def test_a_name_with_a_path_in_it_is_refused(tmp_path, curves, name):
    out = tmp_path / "inner"
    with pytest.raises(ValueError, match="no plain file name"):
        write_tau_infer_sweep(out, curves, name=name)
    assert not out.exists()


def test_a_link_in_the_folder_is_replaced_not_followed(tmp_path, curves):
    outside = tmp_path / "outside.json"
    outside.write_text("kept")
    out = tmp_path / "out"
    out.mkdir()
    (out / "tau_infer_sweep.json").symlink_to(outside)
    write_tau_infer_sweep(out, curves)
    assert outside.read_text() == "kept"
    assert not (out / "tau_infer_sweep.json").is_symlink()


@pytest.mark.parametrize("provenance", [{"x": math.nan}, {"x": object()}, {"x": b"bytes"}, {"x": "\ud800"}])
def test_provenance_that_is_no_json_writes_nothing(tmp_path, curves, provenance):
    with pytest.raises(ValueError, match="provenance is no JSON"):
        write_tau_infer_sweep(tmp_path, curves, provenance=provenance)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fn_in", [0.0, 0.0, 0.0]),
        ("fp_cens", [0.1]),
        ("n", 3),
        ("taus_compared", [1.0] * 3),
        ("reasons", {"fn_in": "none"}),
        ("unknown", 1),
        ("taus", "1e-5"),
    ],
)
def test_curves_that_contradict_their_counts_are_refused(tmp_path, curves, key, value):
    with pytest.raises(ValueError, match=f"curves: {key}") as caught:
        write_tau_infer_sweep(tmp_path, {**curves, key: value})
    assert isinstance(caught.value, InvarlockError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"n": 2, "n_fault": 0, "bottom": (2, 1)}, "counts on the bottom grow with tau"),
        ({"n": 2, "n_fault": 2, "bottom": (1, 1)}, "faults are some of the bottom"),
        ({"n": 2, "n_fault": 3, "bottom": (2, 2)}, "faults are some of the bottom"),
    ],
)
@pytest.mark.parametrize("side", ["in_range", "censored"])
def test_consistent_curves_of_counts_that_no_samples_can_have_are_refused(side, counts, message):
    sides = {"in_range": ClassCounts(n=3, n_fault=0, bottom=(1, 2)), "censored": None}
    sides |= {"censored": sides["in_range"], side: ClassCounts.model_construct(**counts)}
    unchecked = TauCounts.model_construct(dtype=GateDtype.FLOAT64, taus=(0.1, 1.0), **sides)
    with pytest.raises(TauError, match=f"curves: .*{message}"):
        checked_sweep(sweep_of(unchecked).model_dump(mode="json"))


@pytest.mark.parametrize(
    "changes",
    [
        {"fn_in_count": [0, 2], "fn_in": [0.0, 2.0]},  # more than there are
        {"n_fault_cens": -1, "n_fault": -1},
        {"n_in": -1, "n": 0},
        {"n_in": 2**70, "n": 2**70 + 1},
        {"fn_in_count": [0], "fn_in": [0.0]},
        {"taus": [], "taus_compared": []},
        {"taus": [0.0, 1.0], "taus_compared": [0.0, 1.0]},
        {"taus": [0.1, 0.1], "taus_compared": [0.1, 0.1]},  # one tau, two counts
        {"dtype": "float16", "taus": [1e-9, 1.0], "taus_compared": [0.0, 1.0]},
    ],
    ids=str,
)
def test_counts_that_no_samples_can_have_are_refused(tmp_path, changes):
    curves = tau_infer_sweep_from_q_abs([0.5, 0.5], is_in_range=[True, False], taus=[0.1, 1.0])
    with pytest.raises(TauError, match="curves: "):
        write_tau_infer_sweep(tmp_path, {**curves, **changes})
    assert list(tmp_path.iterdir()) == []


def test_an_interval_of_another_scipy_is_the_same_and_another_interval_is_not(curves):
    def moved(by):
        return [[low, high * (1 - by)] for low, high in curves["fp_cens_interval"]]

    checked_sweep({**curves, "fp_cens_interval": moved(1e-15)})
    with pytest.raises(TauError, match="curves: fp_cens_interval is not"):
        checked_sweep({**curves, "fp_cens_interval": moved(1e-6)})
    with pytest.raises(TauError, match="curves: fp_cens_interval is not"):
        checked_sweep({**curves, "fp_cens_interval": [None, *moved(0)[1:]]})


@pytest.mark.parametrize("name", ["tau_infer_sweep.json", "tau_infer_sweep.md"])
def test_where_one_file_cannot_be_written_the_other_keeps_what_it_had(tmp_path, curves, name):
    other = {"tau_infer_sweep.json", "tau_infer_sweep.md"} - {name}
    (tmp_path / other.pop()).write_text("old")
    (tmp_path / name).mkdir()
    with pytest.raises(StoreError, match="a folder has this name"):
        write_tau_infer_sweep(tmp_path, curves)
    assert sorted(path.read_text() if path.is_file() else "" for path in tmp_path.iterdir()) == ["", "old"]


def test_a_folder_that_is_a_file_is_told(tmp_path, curves):
    (tmp_path / "out").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_tau_infer_sweep(tmp_path / "out", curves)


def test_written_shards_add_up(curves):
    counts = counts_of(checked_sweep(json.loads(json.dumps(curves))))
    both = sweep_of(counts + counts)
    assert both.n_fault == 2
    assert list(both.fn_in) == curves["fn_in"]
    assert both.fn_in_count == tuple(2 * count for count in curves["fn_in_count"])
