"""``invarlock report`` on the files of a real evaluation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from invarlock.policy.tree import flatten
from invarlock.reports.evaluation_manifest import BASELINE_RUN, REPORT, SUBJECT_RUN
from invarlock.reports.explain import explain
from invarlock.reports.explanation import Explanation
from tests.cli.run_cli import run_cli
from tests.flows.evaluations import write_edit, write_preset
from tests.reports.evaluations import evaluate_here, report_of, write_here

EDIT = """
edit: {name: quant_rtn, plan: {bitwidth: 2}}
guards: {metrics: {pm_ratio: {min_tokens: 10, min_token_fraction: 0.0}}}
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Explanation]:
    """The folder of an evaluation of four windows, and what there is to say of it."""
    place = tmp_path_factory.mktemp("report")
    evidence = evaluate_here(
        place, preset=write_preset(place, 2), edit_config=write_edit(place, EDIT), variance=False
    )
    return write_here(place / "results", evidence).parent, explain(report_of(evidence))


@pytest.fixture
def folder(told: tuple[Path, Explanation]) -> Path:
    return told[0]


def test_explain_prints_every_gate(
    told: tuple[Path, Explanation], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, explanation = told
    monkeypatch.setenv("COLUMNS", "200")
    ran = run_cli(capfd, "report", "explain", "--evaluation-report", folder / REPORT)
    assert ran.code == 0
    assert "Gate: Primary Metric Tail (ΔlogNLL)" in ran.out
    for gate in explanation.gates:
        assert f"Gate: {gate.title}" in ran.out
        assert gate.finding in ran.out
        for each in gate.comparisons:
            assert each.what in ran.out
            assert each.rule_text in ran.out
    assert "metrics.pm_ratio set by config: min_token_fraction 0.0, min_tokens 10" in ran.out
    assert "rmt set by edit:quant_rtn: deadband 0.15" in ran.out
    assert explanation.policy.digest in ran.out


@pytest.mark.parametrize("width", [80, 120])
def test_explain_keeps_to_the_width(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    ran = run_cli(capfd, "report", "explain", "--evaluation-report", folder / REPORT)
    assert max(len(line) for line in ran.out.splitlines()[1:]) <= width  # the first names the models
    assert "…" not in ran.out


def test_both_runs_say_what_their_evaluation_says(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = run_cli(capfd, "report", "explain", "--evaluation-report", folder / REPORT, "--json")
    runs = run_cli(
        capfd,
        "report",
        "explain",
        "--report",
        folder / SUBJECT_RUN,
        "--baseline",
        folder / BASELINE_RUN,
        "--json",
    )
    assert whole.out == runs.out
    settings = [each for gate in json.loads(whole.out)["gates"] for each in gate["settings"]]
    policy = flatten(json.loads((folder / REPORT).read_bytes())["resolved_policy"])
    assert all(policy[each["path"]] == each["value"] for each in settings)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--report", "a.json"],
        ["--baseline", "b.json"],
        ["--report", "a.json", "--baseline", "b.json", "--evaluation-report", "c.json"],
    ],
)
def test_explain_wants_two_runs_or_one_report(options: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_cli(capfd, "report", "explain", *options)
    assert ran.code == 2
    assert "give --report and --baseline" in ran.err


def test_explain_of_runs_in_each_others_place(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_cli(
        capfd, "report", "explain", "--report", folder / BASELINE_RUN, "--baseline", folder / SUBJECT_RUN
    )
    assert ran.code == 2


def test_explain_of_another_schema(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_cli(capfd, "report", "explain", "--evaluation-report", folder / SUBJECT_RUN)
    assert ran.code == 2
    assert 'schema_version is "evaluation-run/1"; this invarlock reads evaluation-report/1' in ran.err


def test_verify_agrees(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_cli(capfd, "report", "verify", folder / REPORT)
    assert ran.code == 0
    assert ran.out.startswith("VERIFIED")
    assert "✗" not in ran.out


def test_verify_names_the_field(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    edited = shutil.copytree(folder, tmp_path / "edited") / REPORT
    document = json.loads(edited.read_bytes())
    document["rmt"]["status"] = "fine"
    edited.write_text(json.dumps(document))
    ran = run_cli(capfd, "report", "verify", edited)
    assert ran.code == 1
    assert f"{REPORT}: rmt.status" in ran.out
    listed = json.loads(run_cli(capfd, "report", "verify", edited, "--json").out)
    assert listed["agrees"] is False
    assert listed["first"].startswith(f'{REPORT}: rmt.status: report says "fine", recomputed "')


def test_verify_without_the_files_beside(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    alone = shutil.copy(folder / REPORT, tmp_path / REPORT)
    ran = run_cli(capfd, "report", "verify", alone)
    assert ran.code == 2
    assert "copy the whole results folder" in ran.err


def test_html_is_written(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_cli(capfd, "report", "html", folder / REPORT, "--out", tmp_path / "page.html")
    assert ran.code == 0
    assert ran.out.strip() == str(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("command", ["explain", "verify", "html"])
def test_help_has_an_example(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_cli(capfd, "report", command, "--help")
    assert ran.code == 0
    assert f"invarlock report {command}" in ran.out
    assert "Example" in ran.out


@pytest.fixture
def forged(folder: Path, tmp_path: Path) -> Path:
    """A copy of the evaluation whose report says that it passed."""
    place = shutil.copytree(folder, tmp_path / "forged") / REPORT
    document = json.loads(place.read_bytes())
    assert document["verdict"]["outcome"] == "fail"
    document["validation"] = dict.fromkeys(document["validation"], True)
    document["verdict"] |= {"outcome": "pass", "exit_code": 0, "failed": [], "reasons": []}
    place.write_text(json.dumps(document))
    return place


def without_runs(report: Path) -> Path:
    for name in (BASELINE_RUN, SUBJECT_RUN):
        (report.parent / name).unlink()
    return report


def test_explain_does_not_believe_an_edited_report(forged: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = run_cli(capfd, "report", "explain", "--evaluation-report", forged)
    assert ran.code == 1
    assert ran.out.startswith(f"Not verified: {REPORT}: validation.")
    told = json.loads(run_cli(capfd, "report", "explain", "--evaluation-report", forged, "--json").out)
    assert "the runs beside it give false" in told["caution"]
    assert f"invarlock report verify {forged}" in told["caution"]
    assert told["outcome"] == "fail"
    assert "failed" in told["headline"]


def test_explain_of_an_edited_run(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    place = shutil.copytree(folder, tmp_path / "edited")
    run = json.loads((place / SUBJECT_RUN).read_bytes())
    run["windows"]["final"][0]["nll"] += 1e-3
    (place / SUBJECT_RUN).write_text(json.dumps(run))
    ran = run_cli(capfd, "report", "explain", "--evaluation-report", place / REPORT)
    assert ran.code == 1
    assert ran.out.startswith("Not verified: ")


def test_explain_without_the_runs_says_that_nothing_was_checked(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    alone = without_runs(shutil.copytree(folder, tmp_path / "alone") / REPORT)
    ran = run_cli(capfd, "report", "explain", "--evaluation-report", alone, "--json")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert told["caution"].startswith("Not checked: baseline/report.json and subject/report.json not found")
    assert told["outcome"] == "fail"


def test_a_lone_report_cannot_contradict_its_own_sections(
    forged: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ran = run_cli(capfd, "report", "explain", "--evaluation-report", without_runs(forged), "--json")
    assert ran.code == 1
    told = json.loads(ran.out)
    assert "its own sections give false" in told["caution"]
    assert told["outcome"] == "fail"


def test_the_page_of_an_edited_report_says_so(
    forged: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ran = run_cli(capfd, "report", "html", forged, "--out", tmp_path / "page.html")
    assert ran.code == 1
    assert "Not verified" in ran.err
    page = (tmp_path / "page.html").read_text()
    assert page.index("Not verified: ") < page.index("<strong>Fail</strong>")
