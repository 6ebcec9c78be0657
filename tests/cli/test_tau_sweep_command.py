"""``invarlock calibrate tau-sweep``: what it prints and leaves, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import ArrayLike, NDArray

from tests.calibration.tau_samples import drawn, saved
from tests.cli.run_cli import Ran, run_cli

COMMAND = ("calibrate", "tau-sweep")
Capture = pytest.CaptureFixture[str]
LABELS = [True, False, True, False]
Q = [0.1, 0.2, 0.3, 0.4]


def swept(capfd: Capture, folder: Path, q_abs: NDArray[Any], labels: NDArray[Any], *options: object) -> Ran:
    q, in_range = saved(folder, q_abs, labels)
    return run_cli(capfd, *COMMAND, "--q-abs", q, "--labels", in_range, "--out", folder / "out", *options)


def refused(capfd: Capture, folder: Path, *options: object) -> str:
    """What the refused sweep printed, on one line; no results, no server, no traceback."""
    ran = run_cli(capfd, *COMMAND, *options, "--out", folder / "out")
    printed = " ".join(ran.err.split())
    assert (ran.code, ran.out) == (2, ""), printed
    assert "Traceback" not in printed
    assert not (folder / "out").exists()
    return printed


@pytest.mark.parametrize(
    ("q_abs", "labels", "says"),
    [
        (Q, LABELS[:3], r"has 3 rows; .*q\.npy has 4 .*in_range\.npy"),
        (np.reshape(Q, (2, 2)), [[True], [False]], r"has shape \(2, 1\); .*has shape \(2, 2\)"),
        (Q, [1, 0, 1, 0], r"is_in_range is int64.*true or false"),
        (Q, [0.5, 1, 1, 0], r"is_in_range is float64.*true or false"),
        ([0.1, 0.2, -0.5, 0.1], LABELS, r"q_abs\[2\] is -0\.5.*pass abs\(Q\)"),
        ([0.1, 0.2, -np.inf, 0.1], LABELS, r"q_abs\[2\] is -inf"),
        (["a", "b", "c", "d"], LABELS, r"q_abs is <U1"),
        ([], np.zeros(0, bool), "q_abs has no values"),
    ],
)
def test_samples_that_cannot_be_used(
    tmp_path: Path, capfd: Capture, q_abs: ArrayLike, labels: ArrayLike, says: str
) -> None:
    q, in_range = saved(tmp_path, np.asarray(q_abs), np.asarray(labels))
    printed = refused(capfd, tmp_path, "--q-abs", q, "--labels", in_range, "--max-fp", 0.1)
    assert re.search(says, printed), printed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--taus", "0"], "tau 0 is not above 0 where: --taus"),
        (["--taus", "1e-3,-1e-3"], "tau -0.001 is not above 0"),
        (["--taus", "nan"], "tau nan is not finite where: --taus"),
        (["--taus", "inf"], "tau inf is not finite"),
        (["--taus", "small"], "no number.*small.*--taus"),
        (["--taus", " "], "taus has shape.*where: --taus"),
        (["--taus", "1e-9", "--gate-dtype", "float16"], "tau 1e-09 underflows to 0 in float16"),
        (["--taus", "1e-300"], "tau 1e-300 underflows to 0 in float32 where: taus"),
        (["--gate-dtype", "float64"], "float32 values do not show where a float64 gate cuts"),
        (["--gate-dtype", "int8"], "int8"),
        (["--grid", "1e-6:1e-2"], "is no grid.*LOW:HIGH:COUNT"),
        (["--grid", "1e-2:1e-6:5"], "does not rise"),
        (["--grid", "0:1:5"], "tau 0 is not above 0 where: --grid"),
        (["--grid", "1:2:3", "--taus", "1"], "--taus and --grid"),
        (["--max-fp", "0"], r"max_fp 0\.0 is not inside \(0, 1\)"),
        (["--max-fp", "1.5"], r"max_fp 1\.5"),
        (["--max-fp", "nan"], "max_fp|finite"),
        (["--max-fp", "0.1", "--confidence", "1"], r"confidence 1\.0"),
        (["--max-fp", "0.1", "--max-fn", "2"], r"max_fn 2\.0"),
        (["--max-fn", "0.1"], "max_fn needs max_fp.*tau-sweep --help"),
        (["--max-fp", "0.1", "--tau-train-multiple", "0.5"], "--tau-train-multiple: .*equal to 1, not 0.5"),
        (["--max-fp", "0.1", "--tau-train-multiple", "2", "--target-gap-rate", "0.1"], "one rule"),
        (["--head", "a.b"], '--head: .*should match pattern.*, not "a.b"'),
        (["--calibration-share", "1"], "--calibration-share: .*less than 1, not 1"),
        (["--seed", str(1 << 64)], f"--seed: .*less than {1 << 64}, not {1 << 64}"),
        (["--confidence", "0.95"], "confidence needs max_fp.*tau-sweep --help"),
        (["--seed", "-1"], "--seed"),
        (["--tier", "lenient"], "lenient"),
        (["--labels", "none.npy"], "cannot read: No such file.*none.npy"),
        (["--ids", "none.csv"], "cannot read: No such file.*none.csv"),
    ],
    ids=" ".join,
)
def test_options_that_cannot_be_used(tmp_path: Path, capfd: Capture, options: list[str], says: str) -> None:
    q, in_range = saved(tmp_path, *drawn(20))
    printed = refused(capfd, tmp_path, "--q-abs", q, "--labels", in_range, *options)
    assert re.search(says, printed), printed


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("q.npy", None, "an .npy holds |Q| alone"),
        ("q.txt", "0.1\n", "no reader for '.txt'"),
        ("q.csv", "q_abs,is_in_range\n0.1,true\n-1,false\n", "line 3, column q_abs: '-1'"),
        ("q.csv", "q_abs,is_in_range\n0.1,1\n", "line 2, column is_in_range: '1' is not true or false"),
        ("q.csv", "q_abs,is_in_range\n", "q_abs has no values"),
        ("q.jsonl", '{"q_abs": 0.1, "is_in_range": null}\n', "line 1, column is_in_range: null"),
        ("q.jsonl", '{"q_abs": 0.1}\n', "line 1 has no key 'is_in_range'"),
        ("q.npz", "PK", "is no .npz"),
        ("q.parquet", "PAR", "is no Parquet file"),
    ],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, capfd: Capture, name: str, text: str | None, says: str
) -> None:
    if text is None:
        np.save(tmp_path / name, Q)
    else:
        (tmp_path / name).write_text(text)
    printed = refused(capfd, tmp_path, "--q-abs", tmp_path / name)
    assert says in printed
    assert name in printed


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    ran = swept(capfd, tmp_path, *drawn(20))
    assert (ran.code, "files that no sweep wrote" in ran.err) == (2, True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]


def test_shows_the_recommendation_on_both_splits_and_where_to_go_on(
    embedded_home: Path, tmp_path: Path, capfd: Capture
) -> None:
    q_abs, labels = drawn()
    q_abs[:3] = np.nan, np.inf, np.nan
    labels[:3] = True, False, False
    options = (
        "--max-fp",
        0.01,
        "--max-fn",
        0.2,
        "--target-gap-rate",
        0.05,
        "--head",
        "dose-3",
        "--tier",
        "balanced",
    )
    ran = swept(capfd, tmp_path, q_abs, labels, *options)
    assert ran.code == 0, ran.err
    report = json.loads((tmp_path / "out" / "tau_sweep_report.json").read_text())
    tau, train = (
        report["calibration"]["recommendation"]["tau_infer"],
        report["tau_train"]["tau_train"],
    )
    for part in (
        "head dose-3",
        "evaluation",
        f'InferenceConfig(tau_infer={tau!r}, tau_train={train!r}, gate_dtype="float32")',
        "warning: no sample ids were given",
        "*: recommended;",
        "tiers_patch_tau.yaml",
        "Next",
    ):
        assert part in ran.out, part
    starred = [line for line in ran.out.splitlines() if "* " in line]
    assert len(starred) == 1
    assert f"* {tau:.4g} " in starred[0]
    curves = json.loads((tmp_path / "out" / "tau_infer_sweep.json").read_text())
    part, other = curves["n_fault"], report["calibration"]["evaluation"]["n_fault"]
    assert part + other == 3  # each is counted on its side, and on the bottom at every tau
    assert min(curves["bottom_count"]) >= part
    assert np.float32(tau) == tau


@pytest.mark.slow
def test_json_is_for_scripts_and_quiet_prints_the_folder(
    embedded_home: Path, tmp_path: Path, capfd: Capture
) -> None:
    rows = zip(*drawn(200), strict=True)
    lines = [f"{float(q)!r},{str(label).lower()},s{n}\n" for n, (q, label) in enumerate(rows)]
    (tmp_path / "all.csv").write_text("".join(["q,ok,sample\n", *lines]))
    options = (
        "--q-abs",
        tmp_path / "all.csv",
        "--q-column",
        "q",
        "--label-column",
        "ok",
        "--id-column",
        "sample",
    )
    options += ("--grid", "1e-3:1:4", "--out", tmp_path / "out", "--gate-dtype", "bfloat16")
    ran = run_cli(capfd, *COMMAND, *options, "--json")
    assert (ran.code, ran.err) == (0, "")
    told = json.loads(ran.out)
    assert (told["status"], told["tau_infer"], told["patch"]) == (None, None, None)
    assert [row["tau"] for row in told["rows"]] == pytest.approx([1e-3, 1e-2, 1e-1, 1])
    assert not (tmp_path / "out" / "tiers_patch_tau.yaml").exists()
    assert json.loads((tmp_path / "out" / "tau_infer_sweep.json").read_text())["dtype"] == "bfloat16"
    ran = run_cli(capfd, "advanced", *COMMAND, *options, "--quiet")
    assert (ran.code, ran.out.strip()) == (0, str(tmp_path / "out"))
    ran = run_cli(capfd, *COMMAND, *options, "--grid", "1e-3:1:5")
    assert (ran.code, "--fresh" in ran.err) == (2, True)
    assert len(json.loads((tmp_path / "out" / "tau_infer_sweep.json").read_text())["taus"]) == 4
    assert run_cli(capfd, *COMMAND, *options, "--grid", "1e-3:1:5", "--fresh").code == 0


@pytest.mark.parametrize(
    ("in_range", "options", "status", "empty"),
    [
        (True, ("--max-fp", 0.5), "insufficient_data", "fp_cens"),
        (False, ("--max-fp", 0.05, "--max-bottom", 0.5), "infeasible", "fn_in"),
    ],
)
def test_one_class_only_is_written_with_a_reason_and_exits_with_1(
    embedded_home: Path,
    tmp_path: Path,
    capfd: Capture,
    in_range: bool,
    options: tuple[object, ...],
    status: str,
    empty: str,
) -> None:
    q_abs, _ = drawn(1000)
    ran = swept(capfd, tmp_path, q_abs, np.full(1000, in_range), *options)
    assert ran.code == 1
    assert f"{status}: " in ran.out
    assert f"{empty} is empty: no sample is" in ran.out
    curves = json.loads((tmp_path / "out" / "tau_infer_sweep.json").read_text())
    assert set(curves[empty]) == {None}
    assert empty in curves["reasons"]
    assert not (tmp_path / "out" / "tiers_patch_tau.yaml").exists()
    assert status in (tmp_path / "out" / "tau_sweep_summary.md").read_text()
    assert (tmp_path / "out" / "plots" / "tau_infer_sweep.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("ceiling", ["--max-fn", "--max-bottom"])
def test_a_ceiling_out_of_reach_is_told_with_the_one_that_is_not(
    embedded_home: Path, tmp_path: Path, capfd: Capture, ceiling: str
) -> None:
    q_abs, labels = drawn(1500)
    samples = np.where(labels, q_abs, 30 * q_abs), labels  # harder to tell apart
    ran = swept(capfd, tmp_path, *samples, "--max-fp", 0.01, ceiling, 0.001)
    assert ran.code == 1, ran.err
    advised = re.search(rf"change +{ceiling} (0\.\d+), the least with this --max-fp", ran.out)
    assert advised is not None, ran.out
    ran = swept(capfd, tmp_path, *samples, "--max-fp", 0.01, ceiling, advised[1], "--fresh")
    assert ran.code == 0, ran.out


def censored_ties(folder: Path) -> Path:
    """|Q| of a float32 head in a float64 file: 600 of 2,000 censored samples have the same one."""
    q_abs, _ = drawn(2000)
    q_abs = np.minimum(q_abs, np.float32(0.01))
    q_abs[:600] = np.float32(0.01)
    columns = {"q_abs": q_abs.astype(np.float64), "is_in_range": np.zeros(2000, bool), "id": np.arange(2000)}
    np.savez(folder / "f64.npz", **columns)
    return folder / "f64.npz"


def test_a_float64_file_of_float32_values_is_refused_until_the_gates_dtype_is_named(
    embedded_home: Path, tmp_path: Path, capfd: Capture
) -> None:
    options = ("--q-abs", censored_ties(tmp_path), "--id-column", "id", "--max-fp", 0.01)
    printed = refused(capfd, tmp_path, *options)
    assert re.search(r"exact in float32 too.*f64\.npz.*--gate-dtype float32 or float64", printed), printed
    ran = run_cli(capfd, *COMMAND, *options, "--gate-dtype", "float32", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    patch = yaml.safe_load((tmp_path / "out" / "tiers_patch_tau.yaml").read_text())
    record = patch["balanced"]["tau_guard"]["heads"]["default"]
    assert record["gate_dtype"] == "float32"
    assert record["tau_infer"] == np.nextafter(np.float32(0.01), np.float32(1))
    assert "no sample ids" not in ran.out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ("--gate-dtype", "float16", "--tau-train-multiple", "1e9"),
            r"1e\+09 times tau_infer .* overflows in float16.*--tau-train-multiple",
        ),
        (("--calibration-share", 0.99999999), "all 3000 rows calibrate.*--calibration-share"),
        (("--ids", "ids.npy", "--rows-are-samples"), "give one of them"),
        (("--ids", "ids.npy"), "censored rows repeat the id"),
    ],
    ids=str,
)
def test_what_the_recommendation_would_refuse_is_refused_before_any_server(
    tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch, options: tuple[object, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("ids.npy", np.arange(3000) // 3)
    q, in_range = saved(tmp_path, *drawn())
    printed = refused(capfd, tmp_path, "--q-abs", q, "--labels", in_range, "--max-fp", 0.01, *options)
    assert re.search(says, printed), printed


def test_a_policy_that_could_not_keep_it_is_refused(
    tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(tmp_path))
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "tiers.yaml").write_text("balanced: {}\n")
    q, in_range = saved(tmp_path, *drawn(20))
    options = ("--q-abs", q, "--labels", in_range)
    assert "no tier is called 'conservative'" in refused(capfd, tmp_path, *options)
    (tmp_path / "runtime" / "tiers.yaml").write_text("balanced: {tau_guard: {head: {}}}\n")
    printed = refused(capfd, tmp_path, *options, "--tier", "balanced")
    assert re.search(r"tau_guard\.head.*heads.*tiers\.yaml:1", printed), printed
