"""Finished calibration runs of the null sweep, small: summarized for real, with the files that MLflow would hold."""

from __future__ import annotations

from pathlib import Path

from invarlock.calibration.full_plan import NULL, RMT, VE
from invarlock.calibration.null import summarize_null_runs
from invarlock.calibration.null_reports import FixedSettings, NullObservation
from invarlock.digests import sha256_file, sha256_hex
from invarlock.families import Family
from invarlock.files import write_atomic, write_json
from invarlock.policy.spectral import Correction
from invarlock.policy.tiers_file import live_tiers_path, tiers_digest
from invarlock.promotion.provenance import FINISHED, RunEvidence
from invarlock.promotion.request_promotion import request_promotion
from invarlock.promotion.requests import PromotionRequest
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.promotion.sweep_patch import read_sweep_patch
from invarlock.reports.null_sweep_files import PATCH, REPORT, patch_yaml
from invarlock.reports.null_sweep_report import NullSweepOptions, NullSweepReport
from invarlock.reports.sweep_folder import MANIFEST, Manifest
from tests.promotion.config_root import NOON, report

# Caps 4.095 and 3.045 against 3.849 and 3.018 in force: both relaxed, by some percent.
Z = {Family.FFN: 3.9, Family.ATTN: 2.9}


def null_report(
    root: Path, max_z: dict[Family, float] = Z, *, runs: int = 8, target: float = 0.5
) -> NullSweepReport:
    """Of clean runs on as many edits, against the policy in force under ``root``."""
    observed = [_clean(max_z, f"w{number}") for number in range(runs)]
    summary = summarize_null_runs(observed, tier="balanced", target_any_warning_rate=target)
    base = report(tiers_digest(live_tiers_path(root)))
    options = base.config.model_dump() | {"null": "benign", "cap_rule": "seed"}
    return NullSweepReport(
        generated_at=base.generated_at,
        config=NullSweepOptions(**options, target_any_warning_rate=target),
        summaries={"balanced": summary},
        drift_caps=None,
        measurements=base.measurements,
        provenance=base.provenance,
        volatile=base.volatile,
    )


def _clean(max_z: dict[Family, float], weights: str) -> NullObservation:
    return NullObservation(
        tier="balanced",
        baseline="b0",
        weights=weights,
        unchanged=False,
        method=Correction.BH,
        alpha=0.05,
        m=4,
        fixed=FixedSettings(),
        max_z=max_z,
        modules=dict.fromkeys(max_z, 10),
        p_values={},
        candidates={},
        selected=(),
        warns=False,
        max_drift={},
    )


def finished_run(folder: Path, found: NullSweepReport) -> RunEvidence:
    """The run of ``found``, its files in ``folder``."""
    write_json(folder / REPORT, found.model_dump(mode="json"))
    write_atomic(folder / PATCH, patch_yaml(found).encode())
    return sealed_run(folder, found.provenance.run_key, found.provenance.tiers_sha256, PATCH)


def sealed_run(folder: Path, run_key: str, tiers_sha256: str, patch: str, *, cells: int = 8) -> RunEvidence:
    """A finished run of what ``folder`` holds, under a new manifest.

    The reports of as many cells, of one sweep or of each in a folder of its own, are in the manifest too, and kept with
    MLflow runs of their own.
    """
    places = ("", *(f"{sweep}/" for sweep in (NULL, RMT, VE)))
    names = [f"{place}runs/balanced/seed_{seed}/report.json" for place in places for seed in range(cells)]
    reports = {name: sha256_hex(name.encode()) for name in names}
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]
    manifest = Manifest(
        kind="calibration",
        run_key=run_key,
        files={path.relative_to(folder).as_posix(): sha256_file(path) for path in files} | reports,
        config_sha256="c" * 64,
        tiers_sha256=tiers_sha256,
        models={},
        datasets=(),
        schedules={},
        code={},
        packages={},
        volatile_fields=(),
    )
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    return RunEvidence(
        mlflow_run_id="run-1",
        status=FINISHED,
        sealed=True,
        run_key=run_key,
        patch_sha256=sha256_file(folder / patch),
        folder=folder,
        cells=reports,
    )


def live(root: Path) -> str:
    """Hash of the policy in force."""
    return RuntimeFiles.of(root).live_sha256()


def patch_of(run: RunEvidence) -> str:
    """The patch that ``run`` made."""
    return (run.folder / PATCH).read_text()


def requested_of(root: Path, run: RunEvidence, allow_large: str | None = None) -> PromotionRequest:
    """A kept request of the patch of ``run``."""
    return request_promotion(
        read_sweep_patch(run.folder / PATCH),
        mlflow_run_id=run.mlflow_run_id,
        requester="ann",
        reason="recalibrated",
        created_at=NOON,
        allow_large=allow_large,
        root=root,
    )
