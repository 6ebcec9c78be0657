"""What a patch rests on, as the report of its sweep has it: runs, observations, what they do not support."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from invarlock.policy.diff import Change
from invarlock.policy.schema import Tier
from invarlock.record import Record
from invarlock.reports import null_sweep_files, rmt_sweep_files, tau_sweep_files, ve_sweep_files
from invarlock.reports.null_sweep_report import NullSweepReport
from invarlock.reports.rmt_sweep_report import RmtSweepReport
from invarlock.reports.tau_sweep_report import TauSweepReport
from invarlock.reports.ve_sweep_report import VeSweepReport
from invarlock.tau.samples import IdSource

AnySweepReport = NullSweepReport | RmtSweepReport | VeSweepReport | TauSweepReport

_CAPS = "spectral_guard.family_caps"
_ALPHA = "spectral_guard.multiple_testing"
_DRIFT = "spectral_guard.drift_caps"
_EPSILON = "rmt_guard.epsilon_by_family"
_MIN_EFFECT = "variance_guard.min_effect_lognll"
_TAU_SWEEP = "tau-sweep"
_TAU = "tau_guard"
_ROWS = (
    "rows without ids may be one sample many times; sweep again with --ids or --id-column, or with --rows-are-samples "
    "where every row is a sample of its own"
)


class Basis(Record):
    """The runs behind the recommendations of one sweep for one tier.

    sweep: as the catalog of policy keys names it; n_runs: those that carry the guard, of a tau sweep the censored
    samples that calibrate (decision 0135); n_effective: independent observations among them at most, 0 where nothing
    tells which they are (decision 0150); unsupported: key below the tier to why its value is UNSUPPORTED.
    """

    sweep: str
    tier: Tier
    n_runs: int
    n_effective: int
    statement: str
    unsupported: Mapping[str, str]

    @property
    def of_samples(self) -> bool:
        """Whether samples of a file were counted: such a sweep has no runs of its own."""
        return self.sweep == _TAU_SWEEP

    def why_unsupported(self, change: Change) -> str | None:
        """Why the runs do not support a value of this tier; None when they do."""
        key = change.path.removeprefix(f"{self.tier.value}.")
        found = (why for name, why in self.unsupported.items() if f"{key}.".startswith(f"{name}."))
        return next(found, None)


def bases_of(report: AnySweepReport) -> tuple[Basis, ...]:
    """One for each tier that the sweep recommends anything for."""
    match report:
        case NullSweepReport():
            return tuple(_of_null(report))
        case RmtSweepReport():
            return tuple(_of_rmt(report))
        case VeSweepReport():
            return tuple(_of_ve(report))
        case TauSweepReport():
            return tuple(_of_tau(report))


def recommended_patch(report: AnySweepReport) -> str:
    """The patch that ``report`` gives."""
    match report:
        case NullSweepReport():
            return null_sweep_files.patch_yaml(report)
        case RmtSweepReport():
            return rmt_sweep_files.patch_yaml(report)
        case VeSweepReport():
            return ve_sweep_files.patch_yaml(report)
        case TauSweepReport():
            return tau_sweep_files.patch_yaml(report)


def _of_null(report: NullSweepReport) -> Iterator[Basis]:
    target, drift = report.config.target_any_warning_rate, report.drift_caps
    unshown = f"the runs do not show a warning rate of {target:g}"
    for tier, summary in report.summaries.items():
        unsupported = {} if summary.evidence.target_shown else {_CAPS: unshown, _ALPHA: unshown}
        if drift is not None and not drift.supported:
            unsupported[_DRIFT] = drift.statement
        yield Basis(
            sweep="null-sweep",
            tier=Tier(tier),
            n_runs=summary.n_runs - summary.n_missing,
            n_effective=summary.evidence.n_effective,
            statement=summary.evidence.statement,
            unsupported=unsupported,
        )


def _of_rmt(report: RmtSweepReport) -> Iterator[Basis]:
    for tier, summary in report.summaries.items():
        evidence = summary.evidence
        yield Basis(
            sweep="rmt-sweep",
            tier=Tier(tier),
            n_runs=summary.n_runs - summary.n_missing,
            n_effective=evidence.n_effective,
            statement=f"{evidence.statement} {summary.scope}",
            unsupported={
                f"{_EPSILON}.{family.value}": f"it would take {evidence.n_needed} independent runs"
                for family in evidence.unsupported
            },
        )


def _of_ve(report: VeSweepReport) -> Iterator[Basis]:
    for tier, summary in report.summaries.items():
        if summary.measured is None:  # the patch leaves the tier out
            continue
        unshown = f"the runs do not show an enable rate of {summary.target_enable_rate:g}"
        yield Basis(
            sweep="ve-sweep",
            tier=Tier(tier),
            n_runs=summary.n_runs - summary.n_missing,
            n_effective=summary.evidence.n_effective,
            statement=summary.evidence.statement,
            unsupported={} if summary.evidence.target_shown else {_MIN_EFFECT: unshown},
        )


def _of_tau(report: TauSweepReport) -> Iterator[Basis]:
    found = report.calibration
    if found is None or report.record is None:  # there is no patch
        return
    n_cens = found.recommendation.n_cens
    unknown = found.split.ids is IdSource.ROW_NUMBER  # with ids, one row of each: no other is calibrated upon
    for tier in report.config.tiers:
        yield Basis(
            sweep=_TAU_SWEEP,
            tier=tier,
            n_runs=n_cens,
            n_effective=0 if unknown else n_cens,
            statement=" ".join((*tau_sweep_files.basis_lines(found), *report.warnings)),
            unsupported={_TAU: _ROWS} if unknown else {},
        )
