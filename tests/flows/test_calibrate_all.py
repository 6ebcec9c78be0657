"""A full calibration against a real Prefect server, a real MLflow store and a really quantized model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from flows.calibrate_all import run_calibrate_all
from invarlock.calibration.full_request import FullRequest
from invarlock.calibration.null_request import NullKind
from invarlock.calibration.rmt_request import RmtNull
from invarlock.cli.calibrate_all_view import show_calibration
from invarlock.digests import sha256_file
from invarlock.errors import ConfigError
from invarlock.policy.diff import diff_files
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.promotion.provenance import prove
from invarlock.reports.full_report import FullReport
from invarlock.reports.full_result import FullResult
from invarlock.reports.sweep_folder import read_manifest
from tasks.local_services import tracking_uri
from tasks.run_evidence import run_evidence
from tasks.sweep_log import EXPERIMENT
from tasks.tracking import Tracker
from tests.browser import layout_of
from tests.flows.sweeps import full_request, stable_tree

PARTS = ("null_sweep", "rmt_sweep", "ve_sweep", "window_plan")
PATCHES = {
    "null_sweep": "tiers_patch_spectral_null.yaml",
    "rmt_sweep": "tiers_patch_rmt_epsilon.yaml",
    "ve_sweep": "tiers_patch_variance_ve.yaml",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("all")


@pytest.fixture(scope="module")
def result(embedded_home: Path, place: Path) -> FullResult:
    return run_calibrate_all(full_request(place))


def report_of(result: FullResult) -> FullReport:
    return FullReport.model_validate_json(Path(result.report).read_bytes())


def page_of(result: FullResult) -> str:
    return Path(result.summary).read_text()


def test_the_folder_holds_four_parts_and_what_they_give_together(result: FullResult, place: Path) -> None:
    out = Path(result.out)
    own = {"calibration.html", "calibration_report.json", "manifest.json", "tiers_patch.yaml"}
    assert {path.name for path in out.iterdir()} == {*PARTS, *own}
    for part in PARTS:
        manifest = read_manifest(out / part)
        assert manifest is not None
        assert manifest.files == {
            path.relative_to(out / part).as_posix(): sha256_file(path)
            for path in (out / part).rglob("*")
            if path.is_file() and path != out / part / "manifest.json"
        }
    whole = read_manifest(out)
    assert whole is not None
    assert whole.files == {
        path.relative_to(out).as_posix(): sha256_file(path)
        for path in out.rglob("*")
        if path.is_file() and path != out / "manifest.json"
    }
    assert [path.name for path in place.iterdir() if path.name.startswith(".")] == []


def test_the_patch_holds_every_key_of_the_parts_and_nothing_else(result: FullResult) -> None:
    whole: dict[str, dict[str, object]] = {}
    for part, name in PATCHES.items():
        for tier, sections in (yaml.safe_load((Path(result.out) / part / name).read_text()) or {}).items():
            whole.setdefault(tier, {}).update(sections)
    assert yaml.safe_load(Path(result.patch).read_text()) == whole
    assert set(whole["balanced"]) == {"spectral_guard", "rmt_guard", "variance_guard"}


def test_the_header_names_what_every_value_rests_on(result: FullResult) -> None:
    header = [
        line.removeprefix("# ").strip()
        for line in Path(result.patch).read_text().splitlines()
        if line.startswith("#")
    ]
    report = report_of(result)
    assert f"run: {result.run_key}" in header
    assert f"report: calibration_report.json, content sha256 {report.content_sha256}" in header
    assert f"base: runtime/tiers.yaml sha256 {sha256_file(live_tiers_path())}" in header
    assert list(report.parts) == list(PARTS)
    for part in report.parts.values():
        assert f"run: {part.run_key}" in header
        assert f"report: {part.report}, content sha256 {part.content_sha256}" in header
    for part, name in PATCHES.items():
        said = (Path(result.out) / part / name).read_text().splitlines()
        notes = [line.removeprefix("# ") for line in said if line.startswith("# UNSUPPORTED")]
        assert notes
        assert set(notes) <= set(header)


def test_policy_diff_reads_the_patch_as_the_report_does(result: FullResult) -> None:
    changes = diff_files(live_tiers_path(), Path(result.patch))
    assert [dict(change) for change in changes] == [
        {name: value for name, value in row if name != "supported"} for row in result.rows
    ]
    assert not any(row.supported for row in result.rows)  # two seeds show nothing
    leaves = re.findall(r"^ +\w+: \S+$", Path(result.patch).read_text(), re.MULTILINE)
    assert result.kept == len(leaves) - len(changes)


@pytest.mark.parametrize(
    ("cell", "edit", "deadband"),  # quant_rtn adjusts rmt.deadband, noop does not
    [
        ("null_sweep/runs/balanced/seed_1", "noop", 0.1),
        ("rmt_sweep/runs/balanced/seed_1", "noop", 0.1),
        ("ve_sweep/runs/balanced/windows_6/seed_1", "quant_rtn", 0.15),
        ("window_plan/runs/balanced/seed_1", "quant_rtn", 0.15),
    ],
)
def test_null_runs_leave_the_configs_edit_out(
    cell: str, edit: str, deadband: float, result: FullResult
) -> None:
    run = json.loads((Path(result.out) / cell / "report.json").read_bytes())
    assert run["edit"]["name"] == edit
    assert run["resolved_policy"]["rmt"]["deadband"] == deadband


def test_a_request_is_handed_to_the_parts(place: Path) -> None:
    request = full_request(place, null=NullKind.BENIGN, jobs=2, device="cpu")
    assert request.null_sweep().null is NullKind.BENIGN
    assert request.rmt_sweep().null is RmtNull.BENIGN
    assert full_request(place).rmt_sweep().null is RmtNull.REDRAW
    assert request.window_plan().seeds == (1,)
    for part in (request.null_sweep(), request.rmt_sweep(), request.ve_sweep(), request.window_plan()):
        assert (part.tiers, part.profile, part.jobs, part.device) == (request.tiers, "dev", 2, "cpu")
    with pytest.raises(ValueError, match="one model at a time"):
        full_request(place, models=("a", "b"))


def test_the_page_says_what_changes_and_shows_every_picture(result: FullResult) -> None:
    page = page_of(result)
    for row in result.rows:
        assert f"<b>{row.new}</b>" in page
    plots = [path for part in PARTS for path in (Path(result.out) / part / "plots").glob("*.svg")]
    assert page.count("<svg") == len(plots) == 5
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert len(set(identifiers)) == len(identifiers)
    for target in re.findall(r'href="([^#"]+)"', page):
        assert (Path(result.out) / target).is_file()
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)


@pytest.mark.parametrize("width", [380, 1280])
def test_the_page_fits_a_phone_and_a_desk(result: FullResult, width: int) -> None:
    assert layout_of(page_of(result), width=width).content <= width


def test_a_repeat_runs_nothing_and_gives_the_same_bytes(
    result: FullResult, embedded_home: Path, place: Path
) -> None:
    again = run_calibrate_all(full_request(place, "again"))
    assert set(again.work.measured.values()) == {0}
    assert again.work.forward_passes == 0
    assert stable_tree(Path(again.out)) == stable_tree(Path(result.out))
    assert again.links.mlflow_run_id == result.links.mlflow_run_id
    client = MlflowClient(tracking_uri(embedded_home))
    run = client.get_run(result.links.mlflow_run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["patch_sha256"] == sha256_file(Path(result.patch)) == result.patch_sha256
    for part, described in report_of(result).parts.items():
        assert run.data.params[f"run_key.{part}"] == described.run_key


def test_a_promotion_finds_every_cell_with_the_runs_of_the_parts(
    result: FullResult, embedded_home: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(Path(result.out))
    assert manifest is not None
    found = run_evidence.fn(Tracker(embedded_home, EXPERIMENT), result.links.mlflow_run_id, tmp_path)
    assert found.cells == {name: sha256 for name, sha256 in manifest.files.items() if "/runs/" in name}
    prove(Path(result.patch).read_text(), found, live_sha256=manifest.tiers_sha256)


def test_what_one_part_measured_the_next_finds(result: FullResult) -> None:
    """The window plan's baseline losses on the windows of the null sweep, for one."""
    assert result.work.found["window_loss"] > 0
    assert list(result.work.seconds) == ["plan", *PARTS]


def test_other_results_are_not_replaced(result: FullResult, place: Path) -> None:
    with pytest.raises(ConfigError, match="holds the results of another sweep"):
        run_calibrate_all(full_request(place, seeds=(7,)))
    assert stable_tree(Path(result.out))  # still whole


def test_the_terminal_says_what_to_change_and_what_is_not_supported(
    result: FullResult, capsys: pytest.CaptureFixture[str]
) -> None:
    show_calibration(result)
    printed = capsys.readouterr().out
    assert "rmt.epsilon_by_family.ffn" in printed
    assert f"what {len(result.rows)} of the new values are to hold" in " ".join(printed.split())
    assert "±0.001 takes" in printed
    assert str(result.patch) in printed.replace("\n", "")


CALIBRATE = """
import sys
from pathlib import Path
from flows.calibrate_all import run_calibrate_all
from tests.flows.sweeps import full_request
print(run_calibrate_all(full_request(Path(sys.argv[1]), "killed")).model_dump_json())
"""


@pytest.mark.slow
def test_killed_after_a_part_then_the_same_command(result: FullResult, place: Path, tmp_path: Path) -> None:
    """Killed twice; what the last run leaves equals an undisturbed run in another home."""
    home = tmp_path / "home"
    environment = os.environ | {
        "INVARLOCK_HOME": str(home),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home / "results"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", CALIBRATE, str(place)]
    for part in ("null_sweep", "ve_sweep"):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 240
        finished = place / ".killed.partial" / part / "manifest.json"
        while not finished.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.poll() is None, process.communicate()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (place / "killed").exists()
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    resumed = FullResult.model_validate_json(ran.stdout.splitlines()[-1])
    assert 0 < resumed.work.measured["window_loss"] < result.work.measured["window_loss"]
    assert stable_tree(Path(resumed.out)) == stable_tree(Path(result.out))


def test_defaults_are_those_of_the_design(place: Path) -> None:
    assert FullRequest().out == Path("reports/calibration/all")
    assert FullRequest().null is NullKind.NOOP
