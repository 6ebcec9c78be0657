"""The files of an evaluation as they lie in its folder, read for a check: strict JSON of a known schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import JsonValue, ValidationError

from invarlock.errors import ConfigError
from invarlock.evaluation.measured import Evidence
from invarlock.problems import dotted, first_problem
from invarlock.record import Record
from invarlock.reports.evaluation_manifest import BASELINE_RUN, EVIDENCE, REPORT, SUBJECT_RUN
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.evaluation_run import EvaluationRun
from invarlock.reports.sweep_folder import MANIFEST, Manifest

R = TypeVar("R", bound=Record)
Document = dict[str, JsonValue]

_BESIDE = "copy the whole results folder: the report is checked against the files beside it"


@dataclass(frozen=True)
class EvaluationFiles:
    """report, baseline, subject: JSON as it was read, which may say anything."""

    folder: Path
    report: Document
    baseline: Document
    subject: Document
    evidence: Evidence
    manifest: Manifest


def read_evaluation_files(path: Path) -> EvaluationFiles:
    """path: of ``evaluation.report.json``.

    ConfigError for a file of another name, which the manifest does not bind, for one that is missing or no JSON, for
    another schema version, and for evidence or a manifest that does not fit its schema.
    """
    folder = path.parent
    if path.name != REPORT and path.is_file():
        raise ConfigError(
            f"a report is checked under its own name, {REPORT}: the manifest holds the hash of no other",
            where=path,
            fix=f"name {folder / REPORT}, or put this file in its place in a copy of the whole folder",
        )
    return EvaluationFiles(
        folder=folder,
        report=read_document(path, EvaluationReport),
        baseline=read_document(folder / BASELINE_RUN, EvaluationRun, missing=_BESIDE),
        subject=read_document(folder / SUBJECT_RUN, EvaluationRun, missing=_BESIDE),
        evidence=read_evidence(folder / EVIDENCE),
        manifest=fit(_read(folder / MANIFEST, _BESIDE), Manifest, folder / MANIFEST),
    )


def read_evidence(path: Path) -> Evidence:
    """What an evaluation measured. ConfigError for a file that is missing, or does not fit its schema."""
    return fit(_read(path, _BESIDE), Evidence, path)


def read_record(path: Path, kind: type[R]) -> R:
    """A report of a known schema version as its record. ConfigError names the field that does not fit."""
    return fit(read_document(path, kind), kind, path)


def read_document(path: Path, kind: type[Record], *, missing: str = "name the file of a report") -> Document:
    """The JSON of a report of the schema version of ``kind``; nothing else of it is checked."""
    document = _read(path, missing)
    known = kind.model_fields["schema_version"].default
    said = document.get("schema_version")
    if said != known:
        raise ConfigError(
            f"schema_version is {json.dumps(said)}; this invarlock reads {known} here",
            where=path,
            fix="name a report of that schema, or use the version of invarlock that wrote this one (meta.code.version)",
        )
    return document


def fit(document: Document, kind: type[R], path: Path) -> R:
    """The record in ``document``. ConfigError names the first field that does not fit."""
    try:
        return kind.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = first_problem(error)
        raise ConfigError(
            f"{dotted(first.path) or 'the document'}: {first.message}",
            where=path,
            fix="the file was changed, or another version of invarlock wrote it; make the evaluation again",
        ) from error


def _read(path: Path, missing: str) -> Document:
    try:
        document = json.loads(path.read_bytes(), parse_constant=_refuse, object_pairs_hook=_unique)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError("no such file", where=path, fix=missing) from error
    except IsADirectoryError as error:
        raise ConfigError("a folder, not a report", where=path, fix=f"name the report: {path}/...") from error
    except (ValueError, PermissionError) as error:
        raise ConfigError(f"cannot be read: {error}", where=path, fix="make the evaluation again") from error
    if not isinstance(document, dict):
        raise ConfigError("not a JSON object", where=path, fix="name the file of a report")
    return document


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _unique(pairs: list[tuple[str, JsonValue]]) -> Document:
    """A key that is there twice is read one way here and another way elsewhere."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)} is there twice")
    return found
