"""Is the evidence beside a report what the report was made from?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from invarlock.digests import digest_of
from invarlock.errors import InvarlockError
from invarlock.measure.records import WindowLoss
from invarlock.reports.altered_evidence import find_altered
from invarlock.reports.evaluation_files import Document, EvaluationFiles
from invarlock.reports.evaluation_manifest import EVIDENCE
from invarlock.reports.json_difference import Difference, differences, field_text, path_text
from invarlock.reports.judge_runs import judge_runs
from invarlock.reports.verification import Check, Disagreement

# Where reports repeat the two hashes of the evidence.
_RUN_KEYS = (("run_id",), ("provenance", "run_key"), ("terms", "run_key"))
_MEASURED = (("provenance", "measured_sha256"), ("terms", "measured_sha256"))
# Altered records contradict each other in ways that measured ones cannot: names, lengths and ranges.
_CONTRADICTIONS = (InvarlockError, LookupError, ValueError, ArithmeticError)


def check_evidence(files: EvaluationFiles) -> Check:
    """Run key and measured_sha256, recomputed: altered only if no report has them so.

    Where one has, another report was edited, and judging again names the field.
    """
    plan, measured = files.evidence.plan, files.evidence.measured
    found = [
        _altered(files, part, document, digest, _told(files, places))
        for part, document, digest, places in (
            ("plan", plan.model_dump(mode="json"), plan.run_key, _RUN_KEYS),
            ("measured", measured.model_dump(mode="json"), digest_of(measured), _MEASURED),
        )
    ]
    return Check(
        what=f"{EVIDENCE}: run key of the plan, sha256 of what was measured",
        compared=2,
        disagreements=tuple(each for each in found if each is not None),
    )


def _told(files: EvaluationFiles, places: tuple[tuple[str, ...], ...]) -> list[str]:
    reports = (files.report, files.baseline, files.subject)
    found = (_dig(report, place) for report in reports for place in places)
    return [value for value in found if isinstance(value, str)]


def _dig(value: JsonValue, path: tuple[str, ...]) -> JsonValue:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _altered(
    files: EvaluationFiles, part: str, document: JsonValue, digest: str, told: list[str]
) -> Disagreement | None:
    if not told or digest in told:
        return None
    [(original, _)] = Counter(told).most_common(1)
    leaf = find_altered(document, original, _effects(files))
    if leaf is None:
        return Disagreement(
            file=EVIDENCE,
            path=part,
            said=digest,
            expected=original,
            said_by="its sha256 is",
            expected_by="the reports were made from",
        )
    return Disagreement(
        file=EVIDENCE,
        path=path_text((part, *leaf.path)),
        said=field_text(leaf.said),
        expected=field_text(leaf.original),
        said_by="evidence says",
        expected_by="the reports were made from",
    )


def _effects(files: EvaluationFiles) -> Iterator[Difference]:
    """What the evidence as it is now would change in the two runs: their losses, and all else if it can be judged."""
    measured = files.evidence.measured
    yield from differences(_losses(files.baseline), _dumped(measured.baseline.losses))
    yield from differences(_losses(files.subject), _dumped(measured.subject.losses))
    try:
        runs = judge_runs(files.evidence.plan, measured)
    except _CONTRADICTIONS:
        return
    yield from differences(files.baseline, runs.baseline.model_dump(mode="json"))
    yield from differences(files.subject, runs.subject.model_dump(mode="json"))


def _losses(run: Document) -> JsonValue:
    """Of a run as filed, preview then final, as evidence has them."""
    preview, final = (_dig(run, ("windows", part)) for part in ("preview", "final"))
    return [*preview, *final] if isinstance(preview, list) and isinstance(final, list) else []


def _dumped(losses: Sequence[WindowLoss]) -> JsonValue:
    return [loss.model_dump(mode="json") for loss in losses]
