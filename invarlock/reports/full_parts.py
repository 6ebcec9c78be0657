"""The published parts of a full calibration, read back from their folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from invarlock.calibration.full_plan import NULL, RMT, VE, WINDOWS
from invarlock.calibration.ve_records import SCOPE_OF_EVIDENCE
from invarlock.families import Family
from invarlock.policy.diff import Change
from invarlock.record import Record
from invarlock.reports import null_sweep_files, rmt_sweep_files, ve_sweep_files, window_plan_files
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.rmt_sweep_report import RmtSweepReport
from invarlock.reports.sweep_files import notes_of
from invarlock.reports.sweep_report import SweepReport
from invarlock.reports.ve_sweep_report import VeSweepReport
from invarlock.reports.window_plan_report import WindowPlanReport


class FullPart(Record):
    """One part. Paths are below the results; patch is None where there is none.

    statements: by tier, what the runs show; scope: what they speak of; notes: what the patch's header says of support.
    """

    title: str
    run_key: str
    content_sha256: str
    n_runs: int
    report: str
    summary: str
    patch: str | None
    scope: str
    statements: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FullParts:
    """The four reports, and the texts of their patches by folder."""

    null_sweep: NullSweepReport
    rmt_sweep: RmtSweepReport
    ve_sweep: VeSweepReport
    window_plan: WindowPlanReport
    patches: Mapping[str, str]

    def supported(self, change: Change) -> bool:
        """Whether the runs show what the new value of ``change`` is to hold."""
        _, section, *_, last = change.path.split(".")
        tier = change.tier.value
        if section == "rmt_guard":
            return self.rmt_sweep.summaries[tier].evidence.by_family[Family(last)].supported
        if section == "variance_guard":
            return self.ve_sweep.summaries[tier].evidence.target_shown
        return self.null_sweep.summaries[tier].evidence.target_shown

    def described(self) -> Mapping[str, FullPart]:
        """Each part by its folder, in order."""
        null, rmt, ve, windows = self.null_sweep, self.rmt_sweep, self.ve_sweep, self.window_plan
        return {
            NULL: self._part(
                NULL,
                null,
                null_sweep_files.REPORT,
                null_sweep_files.SUMMARY,
                null_sweep_files.PATCH,
                title="Spectral caps",
                scope=f"Null: {null.config.null}. Caps are of |z|, family by family.",
                statements={tier: null.summaries[tier].evidence.statement for tier in null.config.tiers},
            ),
            RMT: self._part(
                RMT,
                rmt,
                rmt_sweep_files.REPORT,
                rmt_sweep_files.SUMMARY,
                rmt_sweep_files.PATCH,
                title="RMT epsilon",
                scope=next(iter(rmt.summaries.values())).scope,
                statements={tier: rmt.summaries[tier].evidence.statement for tier in rmt.config.tiers},
            ),
            VE: self._part(
                VE,
                ve,
                ve_sweep_files.REPORT,
                ve_sweep_files.SUMMARY,
                ve_sweep_files.PATCH,
                title="Variance equalization",
                scope=SCOPE_OF_EVIDENCE,
                statements={tier: ve.summaries[tier].evidence.statement for tier in ve.config.tiers},
            ),
            WINDOWS: self._part(
                WINDOWS,
                windows,
                window_plan_files.REPORT,
                window_plan_files.SUMMARY,
                None,
                title="Evaluation windows",
                scope=window_plan_files.WHERE,
                statements={tier: windows.summaries[tier].statement for tier in windows.config.tiers},
            ),
        }

    def _part(
        self,
        folder: str,
        record: SweepReport,
        report: str,
        summary: str,
        patch: str | None,
        *,
        title: str,
        scope: str,
        statements: Mapping[str, str],
    ) -> FullPart:
        return FullPart(
            title=title,
            run_key=record.provenance.run_key,
            content_sha256=record.content_sha256,
            n_runs=record.config.n_runs,
            report=f"{folder}/{report}",
            summary=f"{folder}/{summary}",
            patch=patch and f"{folder}/{patch}",
            scope=scope,
            statements=statements,
            notes=notes_of(self.patches[folder]) if patch else (),
        )


def read_parts(folder: Path) -> FullParts:
    """The parts in ``folder``, as they were published."""
    patches = {
        NULL: null_sweep_files.PATCH,
        RMT: rmt_sweep_files.PATCH,
        VE: ve_sweep_files.PATCH,
    }
    return FullParts(
        null_sweep=NullSweepReport.model_validate_json(
            (folder / NULL / null_sweep_files.REPORT).read_bytes()
        ),
        rmt_sweep=RmtSweepReport.model_validate_json((folder / RMT / rmt_sweep_files.REPORT).read_bytes()),
        ve_sweep=VeSweepReport.model_validate_json((folder / VE / ve_sweep_files.REPORT).read_bytes()),
        window_plan=WindowPlanReport.model_validate_json(
            (folder / WINDOWS / window_plan_files.REPORT).read_bytes()
        ),
        patches={part: (folder / part / name).read_text() for part, name in patches.items()},
    )
