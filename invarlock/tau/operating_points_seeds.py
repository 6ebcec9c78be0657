"""What one seed of a DOSE run found: the records, and reading them from a folder of ``seed_*.json`` files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from invarlock.digests import sha256_file
from invarlock.errors import DataError
from invarlock.record import Record
from invarlock.tau.recommendation_record import TauRecommendation
from invarlock.tau.split import SplitRecipe
from invarlock.tau.tau_point import TauPoint
from invarlock.yaml_source import load_yaml_record

PATTERN = "seed_*.json"
_SLACK = 1e-9  # rates that were rounded once

Rate = Annotated[float, Field(ge=0, le=1)]
Tau = Annotated[float, Field(gt=0)]


class CandidateMetrics(Record):
    """Metrics of one candidate on the evaluation split; null or absent where there were no samples for it.

    fp_cens: share of censored samples accepted; fn_in: share of in-range samples censored; accept_rate: share of all
    samples accepted; macro_f1: of in range against censored; direction_f1: of the side that a bottom sample lies on;
    fault_rate, semantic_bottom_rate, bottom_rate: shares of all samples in these masks; mae_in: mean absolute error of
    accepted in-range samples, in the target's unit. Only mae_in can exceed 1; it decides nothing.
    """

    fp_cens: Rate | None = None
    fn_in: Rate | None = None
    accept_rate: Rate | None = None
    macro_f1: Rate | None = None
    direction_f1: Rate | None = None
    fault_rate: Rate | None = None
    semantic_bottom_rate: Rate | None = None
    bottom_rate: Rate | None = None
    mae_in: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _masks_agree(self) -> Self:
        """Bottom is fault or semantic, so its rate is no less than either and no more than both."""
        fault, semantic, bottom = self.fault_rate, self.semantic_bottom_rate, self.bottom_rate
        if fault is None or semantic is None or bottom is None:
            return self
        if not max(fault, semantic) - _SLACK <= bottom <= fault + semantic + _SLACK:
            raise ValueError(
                f"bottom_rate {bottom:g} cannot be the union of fault_rate {fault:g} and "
                f"semantic_bottom_rate {semantic:g}"
            )
        return self


class Candidate(Record):
    """One head with its gate.

    tau_infer, tau_train: the thresholds it was judged at, null where it has none; recommendation: what tau_infer was
    chosen by, on the calibration split; evaluation: the same counts, of the evaluation split. Null where not told.
    """

    name: Annotated[str, Field(pattern=r"^[\w.@+=%-]+$")]
    tau_infer: Tau | None = None
    tau_train: Tau | None = None
    recommendation: TauRecommendation | None = None
    evaluation: TauPoint | None = None
    metrics: CandidateMetrics


class SeedResult(Record):
    """The content of a ``seed_<seed>.json``.

    split: how samples were divided into calibration and evaluation, null where not told; made_with: versions of the
    packages behind the numbers, and the device.
    """

    schema_version: Literal["dose-seed-result/1"] = "dose-seed-result/1"
    seed: Annotated[int, Field(ge=0)]
    split: SplitRecipe | None = None
    made_with: Mapping[str, str] = Field(default_factory=dict)
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        name, count = Counter(candidate.name for candidate in self.candidates).most_common(1)[0]
        if count > 1:
            raise ValueError(f"the candidate {name} is there {count} times")
        return self

    def of(self, name: str) -> Candidate:
        """The candidate ``name``."""
        return next(candidate for candidate in self.candidates if candidate.name == name)


class SeedFile(NamedTuple):
    """A result and the file it was read from: its name in the folder, and the hex SHA-256 of its bytes."""

    name: str
    sha256: str
    result: SeedResult


def read_seed_results(folder: Path) -> tuple[SeedFile, ...]:
    """Every ``seed_*.json`` of ``folder``, ordered by seed.

    Raises
    ------
    DataError: no folder or no such file in it; a file that is no JSON or does not fit the schema (line, column and
        key are named); two files of one seed; a candidate that one file has and another has not.
    """
    if not folder.is_dir():
        raise DataError(
            "no such folder", where=folder, fix="name the folder that holds seed_0.json, seed_1.json, ..."
        )
    files = [_read(path) for path in sorted(folder.glob(PATTERN))]
    if not files:
        raise DataError(
            f"no per-seed results: no file is called {PATTERN}",
            where=folder,
            fix="make some: python -m invarlock.tau.benchmark dose --mode smoke --seeds 1 --device cpu",
        )
    files.sort(key=lambda file: file.result.seed)
    for before, after in pairwise(files):
        _check_pair(folder, before, after)
    return tuple(files)


def _read(path: Path) -> SeedFile:
    # JSON is YAML: its reader names line, column and key, refuses keys that are there twice, and knows no NaN.
    result = load_yaml_record(
        path, SeedResult, error=DataError, fix="correct the file, or make the seed again"
    )
    return SeedFile(path.name, sha256_file(path), result)


def _check_pair(folder: Path, before: SeedFile, after: SeedFile) -> None:
    if before.result.seed == after.result.seed:
        raise DataError(
            f"seed: {before.name} has the seed {after.result.seed} too",
            where=folder / after.name,
            fix="keep one file a seed",
        )
    names = [{candidate.name for candidate in file.result.candidates} for file in (before, after)]
    if odd := sorted(names[0] ^ names[1]):
        has, lacks = (before, after) if odd[0] in names[0] else (after, before)
        raise DataError(
            f"candidates: {odd[0]} is missing; {has.name} has it",
            where=folder / lacks.name,
            fix="judge the same candidates in every seed: means over different seeds do not compare",
        )
