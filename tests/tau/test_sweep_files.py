import json
import math

import numpy as np
import pytest

from invarlock.errors import InvarlockError, StoreError
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
