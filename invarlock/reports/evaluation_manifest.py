"""Names of an evaluation's files, and the manifest over them."""

from __future__ import annotations

from collections.abc import Mapping

from invarlock.evaluation.evaluation_plan import EvaluationPlan
from invarlock.reports.sweep_folder import MANIFEST, Manifest, code_entry

REPORT = "evaluation.report.json"
MARKDOWN = "evaluation.report.md"
PAGE = "evaluation.report.html"
EVIDENCE = "evidence.json"
BASELINE_RUN = "baseline/report.json"
SUBJECT_RUN = "subject/report.json"


def config_files(plan: EvaluationPlan) -> dict[str, str]:
    """Path to hex SHA-256 of the inputs that were read, as they are kept beside the report."""
    return {f"configs/{source.name}": source.sha256 for source in plan.inputs}


def file_names(plan: EvaluationPlan) -> tuple[str, ...]:
    """Every file of an evaluation's folder, the manifest left out."""
    return (REPORT, MARKDOWN, PAGE, EVIDENCE, BASELINE_RUN, SUBJECT_RUN, *config_files(plan))


def manifest_of(plan: EvaluationPlan, files: Mapping[str, str], commit: str | None) -> Manifest:
    """files: path to hex SHA-256 of everything beside the manifest; commit: of the checkout that ran it."""
    inputs = {source.name: source.sha256 for source in plan.inputs}
    return Manifest(
        kind=plan.kind,
        run_key=plan.run_key,
        files=dict(files),
        config_sha256=next(sha for name, sha in inputs.items() if name.startswith("presets/")),
        tiers_sha256=inputs["runtime/tiers.yaml"],
        models={"baseline": plan.baseline.digest, "subject": plan.subject.digest},
        datasets=(plan.windows.dataset_hash,),
        schedules={str(plan.schedule.seed): plan.schedule.digest},
        code=code_entry(plan.code, commit),
        packages=plan.code.packages,
        volatile_fields=(
            f"{REPORT}: volatile",
            f"{MARKDOWN}, {PAGE}: the last lines",
            *(f"{MANIFEST}: files.{name}" for name in (REPORT, MARKDOWN, PAGE)),
            f"{MANIFEST}: code.commit",
        ),
    )
