"""What a report shows by itself: its policy's digest, and z-scores from the singular values that it lists."""

from __future__ import annotations

from pydantic import JsonValue, ValidationError

from invarlock.guards.spectral_metrics import SpectralMetrics
from invarlock.guards.spectral_z import family_statistics, standard_score
from invarlock.policy.resolution import policy_sha256
from invarlock.reports.evaluation_files import EvaluationFiles
from invarlock.reports.evaluation_manifest import REPORT
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.evaluation_sections import SpectralSection
from invarlock.reports.json_difference import differences, restricted
from invarlock.reports.verification import Check, Disagreement


def check_policy(files: EvaluationFiles) -> Check:
    """sha256 and digest, from the report's own ``resolved_policy`` and overrides."""
    provenance = files.report.get("policy_provenance")
    said = provenance if isinstance(provenance, dict) else {}
    overrides = said.get("overrides")
    sha256 = policy_sha256(
        files.report.get("resolved_policy"), overrides if isinstance(overrides, list) else []
    )
    expected: dict[str, JsonValue] = {
        "policy_provenance": {"policy_digest": sha256[:16], "policy_sha256": sha256},
        "policy_digest": {"thresholds_hash": sha256[:16], "policy_sha256": sha256},
    }
    return _compare(files, "policy digest, from resolved_policy and overrides", expected, compared=4)


def check_z_scores(files: EvaluationFiles) -> Check:
    """z of every module, from sigma and sigma_base of the modules that the report lists."""
    what = "z-scores, from sigma and sigma_base of every module"
    try:
        report = EvaluationReport.model_validate(files.report)
    except ValidationError:
        return Check(what=f"{what}: not possible, a field has the wrong form", compared=0)
    if not isinstance(report.spectral, SpectralSection):
        return Check(what=f"{what}: none, the guard did not judge", compared=0)
    z = recompute_z(report.spectral, deadband=report.resolved_policy.spectral.deadband)
    expected: dict[str, JsonValue] = {
        "spectral": {
            "final_z_scores": dict(z),
            "modules": [{"z": z[module.name]} for module in report.spectral.modules],
        }
    }
    return _compare(files, what, expected, compared=len(z))


def recompute_z(metrics: SpectralMetrics, *, deadband: float) -> dict[str, float]:
    """z by module name. Raises what ``standard_score`` raises."""
    statistics = {
        family: family_statistics([each.sigma_base for each in metrics.modules if each.family is family])
        for family in {each.family for each in metrics.modules}
    }
    return {
        each.name: standard_score(
            each.sigma, each.sigma_base, statistics[each.family], deadband=deadband, module=each.name
        )
        for each in metrics.modules
    }


def _compare(files: EvaluationFiles, what: str, expected: JsonValue, *, compared: int) -> Check:
    found = differences(restricted(files.report, expected), expected)
    return Check(
        what=f"{REPORT}: {what}",
        compared=compared,
        disagreements=tuple(Disagreement.of(REPORT, each) for each in found),
    )
