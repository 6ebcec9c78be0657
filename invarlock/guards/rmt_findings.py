"""What the RMT guard finds in two edge risk measurements, in sentences with the numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from invarlock.families import Family
from invarlock.guards.report import LimitViolation, Severity, Violation
from invarlock.guards.rmt_metrics import FamilyEdge, ModuleEdge
from invarlock.measure.edge_records import EdgeRiskRecord
from invarlock.policy.rmt import RmtPolicy

# What a checkpoint may hold and its language model never runs (decision 0070): BERT's heads of pre-training, and a bias
# of T5's cross-attention that early checkpoints have.
_NEVER_RUN = re.compile(
    r"(^|\.)(pooler\.dense|cls\.seq_relationship|EncDecAttention\.relative_attention_bias)$"
)
_NAMED = 4  # modules that a message lists


def one_sided(baseline: EdgeRiskRecord, subject: EdgeRiskRecord) -> Iterator[Violation]:
    """Families and modules that one side has no edge risk of: a maximum over other modules is no comparison."""
    for ours, theirs, side in ((baseline, subject, "subject"), (subject, baseline, "baseline")):
        families = {site.family for site in theirs.sites}
        for family in sorted({site.family for site in ours.sites} - families):
            yield Violation(
                type="edge_family_missing",
                severity=Severity.FATAL,
                message=f"the {side} has no edge risk in family {family.value}",
                family=family,
            )
        for site in ours.sites:
            if site.family in families and site not in theirs.sites:
                yield Violation(
                    type="edge_module_missing",
                    severity=Severity.FATAL,
                    message=f"the {side} has no edge risk of {site.module}",
                    module=site.module,
                    family=site.family,
                )


def absent_sites(baseline: EdgeRiskRecord, subject: EdgeRiskRecord) -> Iterator[Violation]:
    """Families with sites that neither model has, unless they are known not to run and others of the family do."""
    measured = {*baseline.sites, *subject.sites}
    lost = [site for site in dict.fromkeys(baseline.absent + subject.absent) if site not in measured]
    families = {site.family for site in measured}
    for family in Family:
        names = [
            site.module
            for site in lost
            if site.family is family and (family not in families or not _NEVER_RUN.search(site.module))
        ]
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            rest = "the rest of the family" if family in families else "nothing of the family"
            yield Violation(
                type="edge_sites_absent",
                severity=Severity.FATAL,
                message=f"{family.value}: the checkpoint has {', '.join(names[:_NAMED])}{more}, the loaded model does "
                f"not; {rest} was measured",
                family=family,
            )


def beyond_band(
    beyond: Mapping[Family, FamilyEdge], modules: Mapping[str, ModuleEdge]
) -> Iterator[LimitViolation]:
    """Families whose edge risk is above what is allowed, each with the module that has it."""
    for family, edge in beyond.items():
        own = [name for name, module in modules.items() if module.family is family]
        yield LimitViolation(
            type="edge_epsilon",
            severity=Severity.FATAL,
            message=f"{family.value}: edge risk {edge.edge_cur:.6g} is above {edge.allowed:.6g}, the baseline's "
            f"{edge.edge_base:.6g} and {edge.epsilon:.3g} of it",
            module=max(own, key=lambda name: modules[name].edge_cur, default=None),
            family=family,
            value=edge.edge_cur,
            limit=edge.allowed,
        )


def moved(modules: Mapping[str, ModuleEdge], policy: RmtPolicy) -> Iterator[LimitViolation]:
    """Outlier diagnostics, never a block. A family cannot fall by a factor unless one of its modules does."""
    factor = policy.margin * (1 + policy.deadband)
    for name, edge in modules.items():
        size = max(edge.ratio, 1 / edge.ratio)
        if size > factor:
            kind = "rise" if edge.ratio > 1 else "fall"
            yield LimitViolation(
                type=f"edge_{kind}",
                severity=Severity.WARNING,
                message=f"{name}: edge risk {edge.edge_base:.4g} became {edge.edge_cur:.4g}, a {kind} by more than "
                f"a factor {factor:.3g}",
                module=name,
                family=edge.family,
                value=edge.ratio,
                limit=factor if edge.ratio > 1 else 1 / factor,
            )


def diagnostics(families: Mapping[Family, FamilyEdge], subject: EdgeRiskRecord) -> Iterator[str]:
    """Plain sentences about what the numbers cannot show."""
    for family, edge in families.items():
        if edge.ceiling <= edge.allowed:
            yield (
                f"{family.value}: no outputs of these shapes can leave the band (at most {edge.ceiling:.4g}, "
                f"{edge.allowed:.4g} allowed), so nothing about this family was tested"
            )
    if subject.absent:
        names = ", ".join(site.module for site in subject.absent)
        yield f"the loaded model does not have {names}: no activation to judge"
