"""Bad input to ``invarlock calibrate null-sweep``: what is wrong, where, exit 2, and nothing lost."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.home import shipped
from invarlock.reports.run_report import RunReport
from tests.cli.run_cli import run_cli
from tests.flows.sweeps import write_config

Spoil = Callable[[Path], None]


def model_with(folder: Path, spoil: Spoil) -> Path:
    """A copy of the shipped model, spoiled."""
    copy = folder / "model"
    shutil.copytree(shipped("models/pydocs-gpt2"), copy)
    spoil(copy)
    return copy


def value_in(name: str, value: float) -> Spoil:
    def spoil(model: Path) -> None:
        tensors = load_file(model / "model.safetensors")
        tensors[name][1] = value
        save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})

    return spoil


def truncate(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def flip_header_bit(model: Path) -> None:
    weights = model / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[7] ^= 1  # the top byte of the header's length
    weights.write_bytes(data)


def pickle_only(model: Path) -> None:
    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (value_in("transformer.h.1.mlp.c_fc.weight", float("nan")), r"NaN.*h\.1\.mlp\.c_fc"),
        (value_in("transformer.ln_f.bias", float("inf")), r"infinity.*ln_f\.bias"),
        (truncate, r"truncated|shorter|bytes.*model\.safetensors"),
        (flip_header_bit, r"header.*model\.safetensors"),
        (pickle_only, r"--allow-pickle"),
    ],
    ids=["nan", "inf", "truncated", "flipped", "pickle"],
)
def test_a_bad_checkpoint(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], spoil: Spoil, says: str
) -> None:
    model = model_with(tmp_path, spoil)
    ran = sweep(capfd, tmp_path, write_config(tmp_path), "--model", model)
    assert_refused(ran, says)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"empty"),
        ("- a\n- b\n", r"mapping"),
        ("basis: demo\nmodel: {id: x}\ndataset: {provider: python_docs, seq_len: 8}\nmodle: 1\n", r"modle"),
        ("basis: demo\nmodel: {id: x}\ndataset: {provider: python_doks, seq_len: 8}\n", r"dataset\.provider"),
        (
            "basis: demo\nmodel: {id: x}\ndataset: {provider: python_docs, seq_len: 8}\nedit: {name: quant_rtn}\n",
            r"edit\.name",
        ),
        (
            "basis: demo\nmodel: {id: x}\ndataset: {provider: python_docs, seq_len: 8}\n"
            "guards: {spectral: {max_cap: 3}}\n",
            r"guards\.spectral\.max_cap.*max_caps",
        ),
    ],
    ids=["empty", "list", "unknown key", "unknown provider", "not a null", "unknown guard key"],
)
def test_a_bad_config(tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, says: str) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text(text)
    ran = sweep(capfd, tmp_path, config)
    assert_refused(ran, says)
    assert "bad.yaml" in ran


def test_a_missing_config(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert_refused(sweep(capfd, tmp_path, tmp_path / "none.yaml"), r"none\.yaml")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--tier", "lenient"], r"lenient.*balanced"),
        (["--profile", "cii"], r"cii.*ci_cpu"),
        (["--seed", "-3"], r"-3"),
        (["--target-any-warning-rate", "1.5"], r"--target-any-warning-rate.*less than or"),
        (["--safety-margin", "-1"], r"--safety-margin.*greater than or"),
        (["--cap-rule", "tolerance"], r"--null benign"),
        (["--device", "xpu9"], r"no device is called 'xpu9'"),
        (["--device", "cuda:7"], r"no device cuda:7"),
        (["--model", "no/such/folder/here"], r"no/such/folder/here"),
        (["--model", "someone/some-model"], r"someone/some-model.*--allow-network"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_options(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert_refused(sweep(capfd, tmp_path, write_config(tmp_path), *options), says)


def test_too_little_text_says_how_many_windows_exist(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path)
    ran = sweep(capfd, tmp_path, config, "--profile", "ci")
    assert_refused(ran, r"\d+ windows.*480")


def test_a_scope_without_modules(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text() + "guards: {spectral: {scope: other}}\n")
    assert_refused(sweep(capfd, tmp_path, config), r"scope other matches none")


def test_a_typo_in_tiers_yaml_names_line_and_key(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    shutil.copytree(shipped("configs/runtime"), root / "runtime")
    tiers = root / "runtime" / "tiers.yaml"
    tiers.write_text(tiers.read_text().replace("max_caps: 5", "max_capz: 5", 1))
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(root))
    ran = sweep(capfd, tmp_path, write_config(tmp_path))
    assert_refused(ran, r"max_capz.*max_caps")
    assert re.search(r"tiers\.yaml:\d+", ran)


def test_an_out_that_cannot_be_written(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("kept")
    ran = sweep(capfd, tmp_path, write_config(tmp_path), out=tmp_path / "file" / "out")
    assert_refused(ran, r"results folder cannot be written")
    assert (tmp_path / "file").read_text() == "kept"


def test_an_out_with_another_sweeps_results(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path)
    first = run_cli(capfd, *command(tmp_path / "out", config), "--seed", 1, "--json")
    assert first.code == 0, first.err
    report = json.loads(first.out)["report"]
    before = Path(report).read_bytes()
    assert_refused(sweep(capfd, tmp_path, config, "--seed", "2"), r"another sweep.*--fresh")
    assert Path(report).read_bytes() == before
    assert run_cli(capfd, *command(tmp_path / "out", config), "--seed", 2, "--fresh", "--quiet").code == 0


def test_a_damaged_measurement_is_reported_set_aside_and_made_anew(
    embedded_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path)
    first = run_cli(capfd, *command(tmp_path / "out", config), "--seed", 1, "--json")
    assert first.code == 0, first.err
    for path in (embedded_home / "measurements" / "window_loss").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b'"nll":', b'"nll":1', 1))
    # Seed 1's finished run is kept as a document of its own; seed 2 shares some of its windows.
    ran = run_cli(capfd, *command(tmp_path / "again", config), "--seed", 1, "--seed", 2)
    assert ran.code == 0, ran.err
    aside = len(list((embedded_home / "measurements/quarantine").iterdir()))
    assert aside > 0
    assert f"{aside} damaged measurements were set aside" in " ".join(ran.out.split())
    before, after = (
        losses(tmp_path / folder) for folder in ("out/runs/balanced/seed_1", "again/runs/balanced/seed_2")
    )
    shared = before.keys() & after.keys()
    assert shared
    assert {name: before[name] for name in shared} == {name: after[name] for name in shared}


def losses(run: Path) -> dict[str, float]:
    windows = RunReport.model_validate_json((run / "report.json").read_bytes()).windows
    return {loss.window_id: loss.nll for loss in windows.preview + windows.final}


def command(out: Path, config: Path) -> list[object]:
    return [
        "calibrate",
        "null-sweep",
        "--config",
        config,
        "--out",
        out,
        "--profile",
        "dev",
        "--tier",
        "balanced",
    ]


def sweep(
    capfd: pytest.CaptureFixture[str], folder: Path, config: Path, *options: object, out: Path | None = None
) -> str:
    """What the refused sweep printed, on one line; the exit code is checked."""
    ran = run_cli(capfd, *command(out or folder / "out", config), *options)
    assert ran.code == 2, ran.out + ran.err
    return " ".join((ran.out + ran.err).split())


def assert_refused(printed: str, says: str) -> None:
    """One error, no traceback, and what it says."""
    assert re.search(says, printed), printed
    assert "Traceback" not in printed
