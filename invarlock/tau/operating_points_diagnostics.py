"""How the operating points came about: every rank, every seed's numbers, everything that was missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from invarlock.record import Record
from invarlock.tau.operating_points import KEYS, OperatingPoints, Preset, qualifies, ranked
from invarlock.tau.operating_points_seeds import CandidateMetrics, SeedFile
from invarlock.tau.operating_points_summary import has_split_provenance, values_of


class Source(Record):
    """A file that was read: its name in the folder and the hex SHA-256 of its bytes."""

    file: str
    sha256: str
    seed: int
    made_with: Mapping[str, str]


class Ranked(Record):
    """A candidate at its place. key: mean of each part of the preset's key, in order; null where missing."""

    candidate: str
    qualifies: bool
    key: Mapping[str, float | None]


class SeedValues(Record):
    """What one seed says of one candidate, with the metrics that follow."""

    seed: int
    candidate: str
    metrics: Mapping[str, float | None]


class Missing(Record):
    """A metric that some seeds of a candidate lack, so that it has no mean."""

    candidate: str
    metric: str
    seeds: tuple[int, ...]


class DoseDiagnostics(Record):
    """The content of dose_diagnostics.json. rankings: by preset, best first."""

    schema_version: Literal["dose-diagnostics/1"] = "dose-diagnostics/1"
    sources: tuple[Source, ...]
    rankings: Mapping[Preset, tuple[Ranked, ...]]
    per_seed: tuple[SeedValues, ...]
    missing: tuple[Missing, ...]


def diagnose(files: Sequence[SeedFile], points: OperatingPoints) -> DoseDiagnostics:
    """files: those that ``points`` were chosen from."""
    per_seed = _per_seed(files)
    return DoseDiagnostics(
        sources=tuple(
            Source(file=f.name, sha256=f.sha256, seed=f.result.seed, made_with=f.result.made_with)
            for f in files
        ),
        rankings={preset: _ranking(preset, points) for preset in Preset},
        per_seed=per_seed,
        missing=tuple(_missing(per_seed)),
    )


def _ranking(preset: Preset, points: OperatingPoints) -> tuple[Ranked, ...]:
    return tuple(
        Ranked(
            candidate=one.name,
            qualifies=qualifies(preset, one, points.coverage_floor),
            key={part.metric: one.mean(part.metric) for part in KEYS[preset]},
        )
        for one in ranked(preset, points.candidates)
    )


def _per_seed(files: Sequence[SeedFile]) -> tuple[SeedValues, ...]:
    results = [file.result for file in files]
    split = has_split_provenance(results)
    return tuple(
        SeedValues(seed=result.seed, candidate=one.name, metrics=values_of(one.metrics, split=split))
        for result in results
        for one in sorted(result.candidates, key=lambda candidate: candidate.name)
    )


def _missing(per_seed: Sequence[SeedValues]) -> list[Missing]:
    """Per candidate and reported metric; the derived ones are missing with what they come from."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for row in per_seed:
        for metric in CandidateMetrics.model_fields:
            if row.metrics[metric] is None:
                seeds.setdefault((row.candidate, metric), []).append(row.seed)
    return [Missing(candidate=c, metric=m, seeds=tuple(found)) for (c, m), found in sorted(seeds.items())]
