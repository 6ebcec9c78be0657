"""A patch is believed only with the finished run that made it, its files, and the policy that it was made for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from invarlock.errors import PromotionError
from invarlock.families import Family
from invarlock.files import write_json
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.promotion.patch_header import read_header
from invarlock.promotion.provenance import RunEvidence, prove
from invarlock.reports.null_sweep_files import PATCH, REPORT
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.sweep_folder import MANIFEST
from tests.promotion.config_root import shipped_root
from tests.promotion.sweep_runs import finished_run, live, null_report, patch_of, sealed_run

Z_OTHER = {Family.FFN: 9.0, Family.ATTN: 2.9}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return shipped_root(tmp_path / "configs")


@pytest.fixture
def run(root: Path, tmp_path: Path) -> RunEvidence:
    return finished_run(tmp_path / "run", null_report(root))


def changed(run: RunEvidence, **fields: object) -> RunEvidence:
    return run.model_copy(update=fields)


def test_a_patch_is_proved_and_what_it_rests_on_is_told(root: Path, run: RunEvidence) -> None:
    [basis] = prove(patch_of(run), run, live_sha256=live(root))
    assert (basis.sweep, basis.tier) == ("null-sweep", Tier.BALANCED)
    assert (basis.n_runs, basis.n_effective) == (8, 8)
    assert basis.statement.startswith("8 runs on 8 distinct sets of weights")
    assert basis.unsupported == {}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "RUNNING"}, "not finished: its status is RUNNING"),
        ({"status": "FAILED"}, "not finished: its status is FAILED"),
        ({"status": "KILLED"}, "not finished: its status is KILLED"),
        ({"sealed": False}, "never sealed"),
        ({"patch_sha256": None}, "made no patch"),
        ({"run_key": None}, "another run key"),
        ({"run_key": "f" * 64}, "another run key"),
    ],
)
def test_a_run_that_is_not_the_finished_one_is_refused(
    root: Path, run: RunEvidence, fields: dict[str, object], reason: str
) -> None:
    with pytest.raises(PromotionError, match=reason):
        prove(patch_of(run), changed(run, **fields), live_sha256=live(root))


@pytest.mark.parametrize(
    "edit", [lambda text: text + "\n", lambda text: text.replace("ffn: 4.095", "ffn: 9.9")]
)
def test_a_patch_edited_after_the_run_is_refused(
    root: Path, run: RunEvidence, edit: Callable[[str], str]
) -> None:
    edited = edit(patch_of(run))
    assert edited != patch_of(run)
    with pytest.raises(PromotionError, match="the patch was edited after the run"):
        prove(edited, run, live_sha256=live(root))


@pytest.mark.parametrize("name", [REPORT, PATCH])
def test_a_file_that_is_gone_or_altered_is_refused(root: Path, run: RunEvidence, name: str) -> None:
    patch = patch_of(run)
    (run.folder / name).write_text((run.folder / name).read_text() + " ")
    with pytest.raises(PromotionError, match=f"{name} is altered"):
        prove(patch, run, live_sha256=live(root))
    (run.folder / name).unlink()
    with pytest.raises(PromotionError, match=f"{name} is missing"):
        prove(patch, run, live_sha256=live(root))


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"kind": 1}'])
def test_a_manifest_that_is_gone_or_damaged_is_refused(
    root: Path, run: RunEvidence, content: str | None
) -> None:
    path = run.folder / MANIFEST
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(PromotionError, match="missing or damaged"):
        prove(patch_of(run), run, live_sha256=live(root))


def test_a_manifest_that_forgets_the_patch_is_refused(root: Path, run: RunEvidence) -> None:
    text = (run.folder / MANIFEST).read_text()
    (run.folder / MANIFEST).write_text(
        text.replace(PATCH, "runs/patch").replace(str(run.patch_sha256), "0" * 64)
    )
    run = changed(run, cells={**run.cells, "runs/patch": "0" * 64})
    with pytest.raises(PromotionError, match="does not name the patch"):
        prove(patch_of(run), run, live_sha256=live(root))


CELL = "runs/balanced/seed_3/report.json"


@pytest.mark.parametrize(("sha256", "state"), [(None, "missing"), ("0" * 64, "altered")])
def test_each_run_that_the_manifest_names_must_be_there(
    root: Path, run: RunEvidence, sha256: str | None, state: str
) -> None:
    cells = {name: kept for name, kept in run.cells.items() if name != CELL}
    with pytest.raises(PromotionError, match=f"{CELL} is {state}"):
        prove(
            patch_of(run),
            changed(run, cells=cells if sha256 is None else cells | {CELL: sha256}),
            live_sha256=live(root),
        )


def test_a_report_of_more_runs_than_there_are_is_refused(root: Path, run: RunEvidence) -> None:
    fewer = sealed_run(run.folder, str(run.run_key), live(root), PATCH, cells=7)
    with pytest.raises(PromotionError, match="speaks of 8 runs of tier balanced, and 7 are there"):
        prove(patch_of(fewer), fewer, live_sha256=live(root))


def test_a_patch_for_another_policy_is_stale(root: Path, run: RunEvidence) -> None:
    with live_tiers_path(root).open("a") as file:
        file.write("# by the way\n")
    with pytest.raises(PromotionError, match="the patch is stale"):
        prove(patch_of(run), run, live_sha256=live(root))


def resealed(run: RunEvidence, report: NullSweepReport, patch: str) -> RunEvidence:
    """A run of somebody who can write to MLflow: hashes fit, contents do not."""
    write_json(run.folder / REPORT, report.model_dump(mode="json"))
    (run.folder / PATCH).write_text(patch)
    return sealed_run(run.folder, str(run.run_key), base_of(run), PATCH)


def base_of(run: RunEvidence) -> str:
    return read_header(patch_of(run), Path(PATCH)).base_sha256


def test_a_header_that_says_otherwise_than_the_report_is_refused(root: Path, run: RunEvidence) -> None:
    other = null_report(root, Z_OTHER)
    forged = resealed(run, other, patch_of(run))
    with pytest.raises(PromotionError, match="another content of the report"):
        prove(patch_of(forged), forged, live_sha256=live(root))


@pytest.mark.parametrize(
    ("field", "reason"), [("run_key", "another run key"), ("tiers_sha256", "another base policy")]
)
def test_a_report_of_another_run_or_policy_is_refused(
    root: Path, run: RunEvidence, field: str, reason: str
) -> None:
    report = null_report(root)
    provenance = report.provenance.model_copy(update={field: "f" * 64})
    other = report.model_copy(update={"provenance": provenance})
    patch = patch_of(run).replace(report.content_sha256, other.content_sha256)
    forged = resealed(run, other, patch)
    with pytest.raises(PromotionError, match=reason):
        prove(patch, forged, live_sha256=live(root))


def test_values_that_the_report_does_not_recommend_are_refused(root: Path, run: RunEvidence) -> None:
    forged = resealed(run, null_report(root), patch_of(run).replace("ffn: 4.095", "ffn: 9.9"))
    with pytest.raises(PromotionError, match="other values than its report recommends"):
        prove(patch_of(forged), forged, live_sha256=live(root))


def test_a_report_outside_the_run_is_not_read(root: Path, run: RunEvidence) -> None:
    patch = patch_of(run).replace(f"report: {REPORT}", f"report: ../{REPORT}")
    with pytest.raises(PromotionError, match="none that a calibration writes"):
        prove(patch, resealed(run, null_report(root), patch), live_sha256=live(root))


def test_a_report_that_cannot_be_read_is_refused(root: Path, run: RunEvidence) -> None:
    (run.folder / REPORT).write_text('{"kind": "spectral_null_sweep"}')
    run = sealed_run(run.folder, str(run.run_key), live(root), PATCH)
    with pytest.raises(PromotionError, match="cannot be read: spectral_null_sweep"):
        prove(patch_of(run), run, live_sha256=live(root))
