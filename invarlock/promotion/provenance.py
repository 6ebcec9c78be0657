"""Where a patch came from: a finished calibration run, its files as they were, the policy that is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from invarlock.digests import sha256_file, sha256_hex
from invarlock.errors import CheckFailed, PromotionError
from invarlock.policy.tiers_file import read_tiers
from invarlock.promotion.calibration_reports import CalibrationReports, read_reports
from invarlock.promotion.candidate import PATCH
from invarlock.promotion.patch_header import AGAIN, PatchHeader, ensure_for, read_header
from invarlock.promotion.sweep_basis import Basis
from invarlock.record import Record
from invarlock.reports.sweep_folder import MANIFEST, Manifest, read_manifest

FINISHED = "FINISHED"
_RUNS = "runs"  # the folder of cells, whose reports are logged with runs of their own


class RunEvidence(Record):
    """A calibration run as MLflow has it.

    status: as MLflow spells it; sealed: whether it has the hash over its artifacts' hashes; run_key, patch_sha256: its
    parameters, None when it has none; folder: of all its artifacts, each compared with the seal; cells: path below the
    results to hex SHA-256 of the report of each of its cells, compared with the seal of the cell's own run.
    """

    mlflow_run_id: str
    status: str
    sealed: bool
    run_key: str | None
    patch_sha256: str | None
    folder: Path
    cells: Mapping[str, str]


def prove(patch: str, run: RunEvidence, *, live_sha256: str) -> tuple[Basis, ...]:
    """What ``patch`` rests on, when all of it can be believed.

    PromotionError when the run is not finished, the patch is not the run's, a file of it or the report of a cell is
    missing or altered, patch, report and run disagree, or another policy is in force than the run was made for.
    """
    _ensure_finished(run)
    _ensure_of_run(sha256_hex(patch.encode()), run)
    header = read_header(patch, PATCH)
    ensure_for(header, live_sha256)
    manifest = _verified_manifest(run)
    reports = read_reports(run.folder, manifest, header.report_file)
    _ensure_agreement(header, manifest, reports, run)
    _ensure_recommended(patch, reports, run)
    _ensure_runs(reports.bases, manifest, run)
    return reports.bases


def _ensure_finished(run: RunEvidence) -> None:
    if run.status != FINISHED:
        raise unfinished(run.status, run.mlflow_run_id)
    if not run.sealed:
        raise _refused(
            run, "the run was ended, but its files were never sealed", "run the same calibration again"
        )


def _ensure_of_run(sha256: str, run: RunEvidence) -> None:
    if run.patch_sha256 is None:
        raise _refused(run, "the run made no patch", "name the run that the patch's header names")
    if sha256 != run.patch_sha256:
        raise edited(sha256, run.patch_sha256, run.mlflow_run_id)


def unfinished(status: str, mlflow_run_id: str) -> CheckFailed:
    """A run whose ``status``, as MLflow spells it, says that it has not ended well."""
    return CheckFailed(
        f"the run is not finished: its status is {status}",
        where=f"MLflow run {mlflow_run_id}",
        fix="wait for it, or give the same command again to continue it",
    )


def edited(sha256: str, made: str, mlflow_run_id: str) -> CheckFailed:
    """A patch, ``sha256``, is not the one that its run ``made``."""
    return CheckFailed(
        f"the patch was edited after the run: its sha256 is {sha256[:12]}, the run made {made[:12]}",
        where=f"MLflow run {mlflow_run_id}",
        fix="request the patch as `invarlock calibrate` wrote it; a change by hand is no promotion",
    )


def _verified_manifest(run: RunEvidence) -> Manifest:
    manifest = read_manifest(run.folder)
    if manifest is None:
        raise _refused(run, f"{MANIFEST} is missing or damaged", "find out who changed the run's artifacts")
    for name, sha256 in manifest.files.items():
        found = _found(name, run)
        if found != sha256:
            state = "missing" if found is None else f"altered: {MANIFEST} has another hash of it"
            raise _refused(run, f"{name} is {state}", "find out who changed the run's artifacts")
    if run.patch_sha256 not in manifest.files.values():
        raise _refused(run, f"{MANIFEST} does not name the patch", "find out who changed the run's artifacts")
    return manifest


def _found(name: str, run: RunEvidence) -> str | None:
    if _RUNS in name.split("/")[:-1]:
        return run.cells.get(name)
    path = run.folder / name
    return sha256_file(path) if path.is_file() else None


def _ensure_agreement(
    header: PatchHeader, manifest: Manifest, reports: CalibrationReports, run: RunEvidence
) -> None:
    """Each thing that the header says, as everything else says it."""
    said = {
        "run key": (header.run_key, (run.run_key, manifest.run_key, reports.run_key)),
        "content of the report": (header.report_content_sha256, (reports.content_sha256,)),
        "base policy": (header.base_sha256, (manifest.tiers_sha256, reports.tiers_sha256)),
    }
    for what, (expected, found) in said.items():
        if set(found) != {expected}:
            raise _refused(
                run,
                f"the patch's header has another {what} than its run or report",
                "request the patch of the run that made it",
            )


def _ensure_recommended(patch: str, reports: CalibrationReports, run: RunEvidence) -> None:
    """The values, not the words around them, which another version of the product may put otherwise."""
    if read_tiers(patch, PATCH).given() != reports.recommended:
        raise _refused(run, "the patch holds other values than its report recommends", AGAIN)


def _ensure_runs(bases: Sequence[Basis], manifest: Manifest, run: RunEvidence) -> None:
    """As many runs as the reports speak of. A full calibration has each sweep in a folder of its own."""
    for basis in bases:
        runs = f"{_RUNS}/{basis.tier.value}/"
        places = (runs, f"{basis.sweep.replace('-', '_')}/{runs}")
        cells = max(sum(name.startswith(place) for name in manifest.files) for place in places)
        if not basis.of_samples and max(basis.n_runs, basis.n_effective) > cells:
            raise _refused(
                run,
                f"the report of the {basis.sweep} speaks of {basis.n_runs} runs of tier {basis.tier.value}, "
                f"and {cells} are there",
                AGAIN,
            )


def _refused(run: RunEvidence, what: str, fix: str) -> PromotionError:
    return PromotionError(what, where=f"MLflow run {run.mlflow_run_id}", fix=fix)
