"""Which policy values a gate was made from, and who set each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from invarlock.policy.resolution import Layer
from invarlock.policy.tree import flatten
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.explanation import Setting


def settings_of(report: EvaluationReport, *prefixes: str) -> tuple[Setting, ...]:
    """Every leaf of ``resolved_policy`` below one of ``prefixes``, with the layer that won."""
    return tuple(
        setting for prefix in prefixes for setting in _all(report) if setting.path.startswith(f"{prefix}.")
    )


def _all(report: EvaluationReport) -> Iterator[Setting]:
    provenance = report.policy_provenance
    sources = {override.path: override.source for override in provenance.overrides}  # the last one won
    for path, value in sorted(flatten(report.resolved_policy.model_dump(mode="json")).items()):
        layer = provenance.origins[path]
        plain = layer in (Layer.BUILT_IN, Layer.TIER)
        yield Setting(path=path, value=value, set_by=layer.value if plain else sources[path])


def by_layer(settings: Iterable[Setting]) -> Iterator[tuple[str, str, list[Setting]]]:
    """Layer, section (``spectral``, ``metrics.pm_ratio``) and their settings; what was put over the tier first."""
    ordered = sorted(settings, key=lambda setting: (not setting.overridden, setting.set_by, setting.section))
    for (source, section), group in groupby(ordered, key=lambda setting: (setting.set_by, setting.section)):
        yield source, section, list(group)
