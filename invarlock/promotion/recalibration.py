"""Whether a recalibration still agrees with the policy in force."""

from __future__ import annotations

from invarlock.policy.diff import Change
from invarlock.policy.key_document import value_text
from invarlock.promotion.candidate import changes_of
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import Origin, Request
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.promotion.same_values import requests_of
from invarlock.record import Record
from invarlock.reports.number_text import counted


class Recalibration(Record):
    """Every value that a patch would change. tolerance: share of the value in force that still counts as agreement."""

    tolerance: float
    changes: tuple[Change, ...]

    @property
    def outside(self) -> tuple[Change, ...]:
        """The changes that leave the band, and those that have no share, such as from nothing."""
        return tuple(change for change in self.changes if not self._within(change))

    @property
    def statement(self) -> str:
        """What was found, in a sentence; the same for the same patch and policy."""
        if not self.changes:
            return "The policy in force is what is recommended."
        share = f"{len(self.outside) or 'None'} of {counted(len(self.changes), 'changed value')}"
        return f"{share} left the tolerance band of {self.tolerance:.0%} around the policy in force."

    def _within(self, change: Change) -> bool:
        return change.relative is not None and abs(change.relative) <= self.tolerance


def recalibration_of(files: RuntimeFiles, patch: str, tolerance: float) -> Recalibration:
    """``patch``, as a sweep wrote it, beside the tiers file in force. PolicyError when either is none."""
    return Recalibration(tolerance=tolerance, changes=changes_of(files, patch))


def standing_request(store: RequestStore, found: Recalibration) -> Request | None:
    """The recalibration's own request for these values over this policy that is open or was rejected, if any."""
    mine = (each for each in requests_of(store, found.changes) if each.origin is Origin.RECALIBRATION)
    return next(mine, None)


def recalibration_markdown(found: Recalibration, told: str) -> str:
    """For the page of its run; told: what was found and what came of it, in sentences."""
    lines = [told, ""]
    if found.changes:
        lines += ["| key | in force | recommended | change | band |", "|---|---:|---:|---:|---|"]
    for change in found.changes:
        share = "" if change.relative is None else f"{change.relative:+.1%}"
        place = "outside" if change in found.outside else "within"
        lines.append(
            f"| {change.path} | {value_text(change.old)} | {value_text(change.new)} | {share} | {place} |"
        )
    return "\n".join(lines)
