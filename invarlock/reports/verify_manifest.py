"""Do the files of an evaluation have the hashes of its manifest, and does the manifest fit the evidence?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from invarlock.digests import sha256_file
from invarlock.reports.evaluation_files import EvaluationFiles
from invarlock.reports.evaluation_manifest import EVIDENCE, manifest_of
from invarlock.reports.json_difference import Missing, differences
from invarlock.reports.sweep_folder import MANIFEST
from invarlock.reports.verification import Check, Disagreement


def check_manifest(files: EvaluationFiles, named: Collection[str]) -> Check:
    """named: files of which a field has been named already, which says more than their hash.

    With altered evidence there is no plan to make the manifest from again.
    """
    return Check(
        what=f"{MANIFEST}: hashes of the {'other ' if named else ''}files, and what they came from",
        compared=len(files.manifest.files),
        disagreements=(
            *_files(files, named),
            *(_contents(files) if EVIDENCE not in named else ()),
        ),
    )


def _files(files: EvaluationFiles, named: Collection[str]) -> Iterator[Disagreement]:
    for name, sha256 in files.manifest.files.items():
        path = files.folder / name
        found = sha256_file(path) if path.is_file() else Missing.MISSING.value
        if found != sha256 and name not in named:
            yield Disagreement(
                file=name,
                path="sha256",
                said=found,
                expected=sha256,
                said_by="the file has",
                expected_by=f"{MANIFEST} says",
            )


def _contents(files: EvaluationFiles) -> Iterator[Disagreement]:
    """All but the hashes, made anew from the plan; the commit is the report's, which nothing recomputes."""
    volatile = files.report.get("volatile")
    work = volatile.get("work") if isinstance(volatile, dict) else None
    commit = work.get("commit") if isinstance(work, dict) else None
    expected = manifest_of(
        files.evidence.plan, files.manifest.files, commit if isinstance(commit, str) else None
    )
    found = differences(files.manifest.model_dump(mode="json"), expected.model_dump(mode="json"))
    yield from (Disagreement.of(MANIFEST, each) for each in found)
