"""What a tau sweep will do, settled before any work: files by their hash, the question, and one key for it all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from invarlock.calibration.tau import find_tau
from invarlock.calibration.tau_records import SampleColumn, TauQuestion
from invarlock.calibration.tau_request import TauSweepRequest
from invarlock.digests import digest_of, sha256_file
from invarlock.input_file import InputFile, read_input
from invarlock.policy.resolution import resolve_policy
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.provenance import CodeVersion, code_version
from invarlock.record import Record
from invarlock.tau.calibrate import split_to_calibrate
from invarlock.tau.errors import TauError
from invarlock.tau.read_q_abs import read_q_abs
from invarlock.tau.requirement import Requirement
from invarlock.tau.samples import QAbsSamples
from invarlock.tau.sweep import count_taus


class SampleFiles(Record):
    """Where the samples are on this machine; see :class:`TauSweepRequest`."""

    q_abs: Path
    labels: Path
    ids: Path | None


class TauOptions(Record):
    """The options of a tau sweep. files: name of each file of samples, without its folder."""

    files: dict[str, str]
    question: TauQuestion
    head: str
    tiers: tuple[Tier, ...]


class TauSweepPlan(Record):
    """Everything that the results of a tau sweep depend on, and nothing else."""

    kind: Literal["tau_sweep"] = "tau_sweep"
    options: TauOptions
    tiers_input: InputFile
    code: CodeVersion

    @property
    def run_key(self) -> str:
        """Hex SHA-256 that names this sweep wherever it runs."""
        return digest_of(self)


@dataclass(frozen=True)
class SettledTauSweep:
    """A plan, and where its files are."""

    plan: TauSweepPlan
    files: SampleFiles


def settle_tau_sweep(request: TauSweepRequest) -> SettledTauSweep:
    """Hash every file that ``request`` names.

    Raises TauError for one that cannot be read and for a bad requirement, PolicyError for a tiers file that is not
    valid or lacks one of the tiers.
    """
    for tier in request.tiers:
        resolve_policy(tier)
    by_id = request.ids is not None or request.id_column is not None
    files = SampleFiles(
        q_abs=request.q_abs,
        labels=request.labels or request.q_abs,
        ids=request.ids or request.q_abs if by_id else None,
    )
    question = TauQuestion(
        q_abs=_column(files.q_abs, request.q_column),
        labels=_column(files.labels, request.label_column),
        ids=_column(files.ids, request.id_column or "id") if files.ids else None,
        rows_are_samples=request.rows_are_samples,
        gate_dtype=request.gate_dtype,
        taus=request.taus,
        requirement=_requirement(request),
        tau_train_multiple=request.tau_train_multiple,
        target_gap_rate=request.target_gap_rate,
        seed=request.seed,
        calibration_share=request.calibration_share,
    )
    paths = {"q_abs": files.q_abs, "labels": files.labels, "ids": files.ids}
    names = {role: path.name for role, path in paths.items() if path is not None}
    plan = TauSweepPlan(
        options=TauOptions(files=names, question=question, head=request.head, tiers=request.tiers),
        tiers_input=read_input(live_tiers_path(), "runtime/tiers.yaml"),
        code=code_version(),
    )
    return SettledTauSweep(plan, files)


def open_samples(files: SampleFiles, question: TauQuestion) -> QAbsSamples:
    """The samples of ``files``. Raises TauError as :func:`read_q_abs` does."""
    return read_q_abs(
        files.q_abs,
        labels=files.labels,
        ids=files.ids,
        q_column=question.q_abs.column,
        label_column=question.labels.column,
        id_column=question.ids.column if question.ids else None,
        gate_dtype=question.gate_dtype,
        rows_are_samples=question.rows_are_samples,
    )


def ensure_countable(request: TauSweepRequest) -> None:
    """Read every sample once: TauError and PolicyError as the sweep itself would raise them."""
    settled = settle_tau_sweep(request)
    question = settled.plan.options.question
    samples = open_samples(settled.files, question)
    count_taus(samples, question.taus or [1.0])
    if question.tau_train_multiple is not None:
        find_tau(samples, question)  # whether the multiple overflows, nothing else can tell
    elif question.requirement is not None:
        split_to_calibrate(samples, seed=question.seed, calibration_share=question.calibration_share)


def ensure_unchanged(files: SampleFiles, question: TauQuestion) -> None:
    """TauError where a file is no longer the one that ``question`` names."""
    expected = {files.q_abs: question.q_abs, files.labels: question.labels}
    if files.ids is not None and question.ids is not None:
        expected[files.ids] = question.ids
    for path, column in expected.items():
        if _sha256(path) != column.sha256:
            raise TauError("the file changed while it was read", where=path, fix="run the command again")


def _requirement(request: TauSweepRequest) -> Requirement | None:
    if request.max_fp is None:
        return None
    confidence = Requirement.confidence if request.confidence is None else request.confidence
    return Requirement(request.max_fp, confidence, request.max_fn, request.max_bottom)


def _column(path: Path, column: str) -> SampleColumn:
    return SampleColumn(sha256=_sha256(path), column=column)


def _sha256(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise TauError(f"cannot read: {error.strerror}", where=path, fix="check the name") from error
