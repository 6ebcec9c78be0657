"""Where an evaluation came from, by digest, and how anybody can check it: the last parts of its page."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from invarlock.policy.key_document import value_text
from invarlock.policy.tree import flatten
from invarlock.reports.evaluation_report import EvaluationReport
from invarlock.reports.html_page import Column, Content, command, element, fold, section, table


def origin(report: EvaluationReport) -> Markup:
    """Models, data, files, policy and code."""
    code = report.meta.code
    packages = table("Packages", (Column("package"), Column("version")), sorted(code.packages.items()))
    return section(
        "Where it came from",
        table("Digests (SHA-256)", (Column("of"), Column("digest")), _digests(report)),
        _overrides(report),
        fold("The policy in force, and who set it", _policy(report)),
        fold(f"Code: version {code.version}, Python {code.python}", packages),
    )


def how_to_check() -> Markup:
    """Commands, from the folder that this page lies in."""
    return section(
        "How to check it",
        element(
            "p", "In the folder of this page. The first makes every number again from the files beside it."
        ),
        command("invarlock report verify evaluation.report.json"),
        command("invarlock report explain --evaluation-report evaluation.report.json"),
    )


def _digests(report: EvaluationReport) -> Iterator[tuple[Content, Content]]:
    data, source = report.dataset, report.provenance
    digests = {
        f"subject {report.subject_ref.id}": report.subject_ref.digest,
        f"baseline {report.baseline_ref.id}": report.baseline_ref.digest,
        "report of the subject's run": report.subject_ref.run_sha256,
        "report of the baseline's run": report.baseline_ref.run_sha256,
        "edit": report.edit.digest,
        "data set": data.dataset_hash,
        "tokenizer": data.tokenizer_hash,
        "schedule of windows": data.schedule_digest,
        "policy and its overrides": report.policy_digest.policy_sha256,
        "all that was measured": source.measured_sha256,
        "evaluation": source.run_key,
        "code": source.code_sha256,
        "estimator": source.estimator_contract,
        **source.inputs,
    }
    for name, digest in digests.items():
        yield name, element("code", digest)


def _overrides(report: EvaluationReport) -> Markup:
    overrides = report.policy_provenance.overrides
    if not overrides:
        return element("p", f"Every threshold is that of tier {report.policy_provenance.tier.value}.")
    rows = [(element("code", each.path), value_text(each.value), each.source) for each in overrides]
    return table("Set above the tier, later ones win", (Column("key"), Column("value"), Column("by")), rows)


def _policy(report: EvaluationReport) -> Markup:
    leaves = flatten(report.resolved_policy.model_dump(mode="json"))
    origins = report.policy_provenance.origins
    rows = [(element("code", path), value_text(value), origins[path].value) for path, value in leaves.items()]
    return table("Policy", (Column("key"), Column("value"), Column("set by")), rows)
