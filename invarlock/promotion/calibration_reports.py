"""The reports of a calibration run, whatever was calibrated: one sweep, or all of them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from invarlock.digests import digest_of
from invarlock.errors import PromotionError
from invarlock.policy.tiers_file import read_tiers
from invarlock.policy.tree import merge
from invarlock.problems import first_problem
from invarlock.promotion.sweep_basis import AnySweepReport, Basis, bases_of, recommended_patch
from invarlock.reports import full_files, null_sweep_files, rmt_sweep_files, tau_sweep_files, ve_sweep_files
from invarlock.reports.full_report import FullReport
from invarlock.reports.sweep_folder import Manifest

T = TypeVar("T")

_SWEEP: TypeAdapter[AnySweepReport] = TypeAdapter(Annotated[AnySweepReport, Field(discriminator="kind")])
_FULL = TypeAdapter(FullReport)
_SWEEPS = (
    null_sweep_files.REPORT,
    rmt_sweep_files.REPORT,
    ve_sweep_files.REPORT,
    tau_sweep_files.REPORT,
)
_AGAIN = "run the same calibration again with --fresh and this version of invarlock"


@dataclass(frozen=True)
class CalibrationReports:
    """What the run's own report says of itself, and the reports of the sweeps that give its patch."""

    run_key: str
    content_sha256: str
    tiers_sha256: str
    sweeps: tuple[AnySweepReport, ...]

    @property
    def bases(self) -> tuple[Basis, ...]:
        """What the patch rests on."""
        return tuple(basis for sweep in self.sweeps for basis in bases_of(sweep))

    @property
    def recommended(self) -> dict[str, JsonValue]:
        """The values that the patch must hold."""
        values: dict[str, JsonValue] = {}
        for sweep in self.sweeps:
            values = merge(values, read_tiers(recommended_patch(sweep), Path("recommended")).given())
        return values


def read_reports(folder: Path, manifest: Manifest, report_file: str) -> CalibrationReports:
    """The reports behind ``report_file``, all of them among the files of ``manifest``, whose hashes were compared.

    PromotionError for a file that no calibration has, cannot be read, or belongs to another run.
    """
    if report_file in _SWEEPS:
        sweep = _read(folder, manifest, report_file, _SWEEP)
        return CalibrationReports(
            run_key=sweep.provenance.run_key,
            content_sha256=sweep.content_sha256,
            tiers_sha256=sweep.provenance.tiers_sha256,
            sweeps=(sweep,),
        )
    if report_file == full_files.REPORT:
        return _of_full(folder, manifest)
    raise PromotionError(
        f"the patch's report {report_file} is none that a calibration writes",
        fix="request the patch as `invarlock calibrate` wrote it",
    )


def _of_full(folder: Path, manifest: Manifest) -> CalibrationReports:
    full = _read(folder, manifest, full_files.REPORT, _FULL)
    if full.run_key != digest_of({name: part.run_key for name, part in full.parts.items()}):
        raise PromotionError(f"{full_files.REPORT} has parts of other runs", fix=_AGAIN)
    return CalibrationReports(
        run_key=full.run_key,
        content_sha256=full.content_sha256,
        tiers_sha256=full.tiers_sha256,
        sweeps=tuple(_parts(folder, manifest, full)),
    )


def _parts(folder: Path, manifest: Manifest, full: FullReport) -> Iterator[AnySweepReport]:
    for part in full.parts.values():
        if part.patch is None:
            continue
        sweep = _read(folder, manifest, part.report, _SWEEP)
        found = sweep.provenance.run_key, sweep.content_sha256, sweep.provenance.tiers_sha256
        if found != (part.run_key, part.content_sha256, full.tiers_sha256):
            raise PromotionError(
                f"{part.report} is not the report that {full_files.REPORT} names", fix=_AGAIN
            )
        yield sweep


def _read(folder: Path, manifest: Manifest, name: str, kind: TypeAdapter[T]) -> T:
    if name not in manifest.files:
        raise PromotionError(f"the run has no {name}", fix="request the patch of the run that made it")
    try:
        return kind.validate_json((folder / name).read_bytes())
    except ValidationError as error:
        raise PromotionError(f"{name} cannot be read: {first_problem(error)}", fix=_AGAIN) from error
