"""Are the files of an evaluation those that its plan gives it, with the hashes of its manifest, and no others?

Nothing that the manifest lists is believed: which names there must be follows from the plan, and only those are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from invarlock.digests import sha256_file
from invarlock.reports.evaluation_files import EvaluationFiles
from invarlock.reports.evaluation_manifest import EVIDENCE, config_files, file_names, manifest_of
from invarlock.reports.json_difference import Missing, differences
from invarlock.reports.sweep_folder import MANIFEST
from invarlock.reports.verification import Check, Disagreement

_NOTHING = Missing.MISSING.value


def check_manifest(files: EvaluationFiles, named: Collection[str]) -> Check:
    """named: files of which a field has been named already, which says more than their hash.

    With altered evidence there is no plan to make the manifest from again.
    """
    names = file_names(files.evidence.plan)
    there = {
        path.relative_to(files.folder).as_posix() for path in files.folder.rglob("*") if path.is_file()
    } - {MANIFEST}
    found = {name: sha256_file(files.folder / name) for name in names if name in there}
    return Check(
        what=f"{MANIFEST}: hashes of the {'other ' if named else ''}files, and what they came from",
        compared=len(names),
        disagreements=(
            *_hashes(files, found, named),
            *_others(there.difference(names)),
            *(_contents(files, found) if EVIDENCE not in named else ()),
        ),
    )


def _hashes(
    files: EvaluationFiles, found: Mapping[str, str], named: Collection[str]
) -> Iterator[Disagreement]:
    """Files that are gone, and those whose hash is not the manifest's; what it does not list, ``_contents`` names."""
    for name in file_names(files.evidence.plan):
        said = found.get(name, _NOTHING)
        if said != files.manifest.files.get(name, said) and name not in named:
            yield Disagreement(
                file=name,
                path="sha256",
                said=said,
                expected=files.manifest.files[name],
                said_by="the file has",
                expected_by=f"{MANIFEST} says",
            )


def _others(names: Collection[str]) -> Iterator[Disagreement]:
    for name in sorted(names):
        yield Disagreement(
            file=name,
            path="name",
            said="this file",
            expected="none of that name",
            said_by="the folder has",
            expected_by="an evaluation writes",
        )


def _contents(files: EvaluationFiles, found: Mapping[str, str]) -> Iterator[Disagreement]:
    """All of the manifest made anew from the plan and the files there; the commit is the report's, not recomputed."""
    volatile = files.report.get("volatile")
    work = volatile.get("work") if isinstance(volatile, dict) else None
    commit = work.get("commit") if isinstance(work, dict) else None
    plan, listed = files.evidence.plan, files.manifest.files
    configs = config_files(plan)
    # A file that differs from its entry was named above.
    hashes = {
        name: configs.get(name) or listed.get(name) or found.get(name, _NOTHING) for name in file_names(plan)
    }
    expected = manifest_of(plan, hashes, commit if isinstance(commit, str) else None)
    for each in differences(files.manifest.model_dump(mode="json"), expected.model_dump(mode="json")):
        yield Disagreement.of(MANIFEST, each).model_copy(
            update={"said_by": "the manifest says", "expected_by": "from the plan and the files it is"}
        )
