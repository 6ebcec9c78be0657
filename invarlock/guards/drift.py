"""Drift caps: how far a module may move from its baseline, whatever the other modules do (design page 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from invarlock.errors import MeasurementError
from invarlock.families import Family
from invarlock.guards.pairing import ModulePair
from invarlock.guards.report import LimitViolation, Severity
from invarlock.measure.records import Drift
from invarlock.policy.schema import DriftCap


def drift_of(pair: ModulePair, drift: Mapping[str, Drift]) -> Drift:
    """The drift of one judged module. Raises MeasurementError when it was not measured."""
    if pair.name not in drift:
        raise MeasurementError(
            "drift from the baseline was not measured",
            where=pair.name,
            fix="measure the subject against its baseline",
        )
    return drift[pair.name]


def drift_violations(
    pairs: Sequence[ModulePair], drift: Mapping[str, Drift] | None, caps: Mapping[Family, DriftCap]
) -> Iterator[LimitViolation]:
    """Modules beyond their family's drift caps, each a fatal finding; a family without caps takes other's, if
    any.

    log_sigma is judged by its absolute value; a cap of None sets no limit. Raises MeasurementError when a
    module that has caps was not measured.
    """
    for pair in pairs:
        limits = caps.get(pair.family, caps.get(Family.OTHER))
        if limits is None:
            continue
        moved = drift_of(pair, drift or {})
        for kind, value, limit in (
            ("log_sigma", abs(moved.log_sigma), limits.log_sigma),
            ("relative_change", moved.relative_change, limits.relative_change),
            ("edit_edge", moved.edit_edge, limits.edit_edge),
        ):
            if limit is not None and value > limit:
                yield LimitViolation(
                    type="drift_cap",
                    severity=Severity.FATAL,
                    message=f"{pair.name}: drift {kind} {value:.6g} is above its cap {limit:.6g}",
                    module=pair.name,
                    family=pair.family,
                    value=value,
                    limit=limit,
                )
