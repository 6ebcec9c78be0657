"""The invariants guard: what no weight edit may change (design page 2)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from enum import StrEnum

from invarlock.guards.report import (
    GuardReport,
    InvariantsMetrics,
    Severity,
    Verdict,
    Violation,
    verdict_of,
)
from invarlock.measure.records import InvariantsSnapshot


class InvariantCheck(StrEnum):
    """The checks, in the order they are made."""

    FINITE = "finite"
    NAMES = "names"
    SHAPES = "shapes"
    TIES = "ties"
    VOCABULARY = "vocabulary"
    NORMS = "norms"
    CONFIG = "config"


def judge_invariants(
    baseline: InvariantsSnapshot,
    subject: InvariantsSnapshot,
    *,
    warnings: Collection[InvariantCheck] = (),
) -> GuardReport:
    """Judge what must not change. A finding is fatal, and blocks, unless its check is listed in ``warnings``.

    - finite: no parameter or buffer of either model has NaN or infinity;
    - names, shapes: the same parameters with the same shapes;
    - ties: weights that the baseline ties are one tensor still;
    - vocabulary: the input embedding has a row for every token. More rows than tokens are padding: allowed
      when
      the baseline has as many, and recorded;
    - norms: every LayerNorm and RMSNorm of the baseline is there;
    - config: equal hash of the fields that shape the graph.
    """
    found = {check: list(find(baseline, subject)) for check, find in _CHECKS.items()}
    violations = tuple(
        Violation(
            type=f"invariant_{check.value}",
            severity=Severity.WARNING if check in warnings else Severity.FATAL,
            message=message,
            module=name,
        )
        for check, findings in found.items()
        for name, message in findings
    )
    verdict = verdict_of(violations)
    return GuardReport(
        name="invariants",
        verdict=verdict,
        passed=verdict is not Verdict.BLOCK,
        policy={"warnings": [check.value for check in InvariantCheck if check in warnings]},
        metrics=InvariantsMetrics(
            checks={check.value: not findings for check, findings in found.items()},
            parameters=len(subject.parameter_shapes),
            tied_groups=len(subject.tied_groups),
            norm_layers=len(subject.norm_layers),
            embedding_rows=subject.embedding_rows,
            vocabulary_size=subject.vocabulary_size,
        ),
        violations=violations,
        diagnostics=tuple(_diagnostics(subject)),
    )


_Finding = tuple[str | None, str]  # name of the parameter or module, and a sentence


def _finite(baseline: InvariantsSnapshot, subject: InvariantsSnapshot) -> Iterator[_Finding]:
    for side, snapshot in (("baseline", baseline), ("subject", subject)):
        for name in snapshot.nonfinite:
            yield name, f"{name} of the {side} has NaN or infinity"


def _names(baseline: InvariantsSnapshot, subject: InvariantsSnapshot) -> Iterator[_Finding]:
    ours, theirs = baseline.parameter_shapes.keys(), subject.parameter_shapes.keys()
    for name in sorted(ours - theirs):
        yield name, f"the subject has lost parameter {name}"
    for name in sorted(theirs - ours):
        yield name, f"the subject has a parameter that the baseline has not: {name}"


def _shapes(baseline: InvariantsSnapshot, subject: InvariantsSnapshot) -> Iterator[_Finding]:
    for name in sorted(baseline.parameter_shapes.keys() & subject.parameter_shapes.keys()):
        ours, theirs = baseline.parameter_shapes[name], subject.parameter_shapes[name]
        if ours != theirs:
            yield name, f"{name} is {theirs}, the baseline's {ours}"


def _ties(baseline: InvariantsSnapshot, subject: InvariantsSnapshot) -> Iterator[_Finding]:
    kept = [set(group) for group in subject.tied_groups]
    for group in baseline.tied_groups:
        if not any(set(group) <= other for other in kept):
            yield group[0], f"{' and '.join(group)} are no longer one tensor"


def _vocabulary(baseline: InvariantsSnapshot, subject: InvariantsSnapshot) -> Iterator[_Finding]:
    rows, tokens = subject.embedding_rows, subject.vocabulary_size
    if tokens is not None and rows < tokens:
        yield None, f"the embedding has {rows} rows for {tokens} tokens"
    if rows != baseline.embedding_rows:
        yield None, f"the embedding has {rows} rows, the baseline's {baseline.embedding_rows}"
    if tokens != baseline.vocabulary_size:
        yield None, f"the tokenizer has {tokens} tokens, the baseline's {baseline.vocabulary_size}"


def _norms(baseline: InvariantsSnapshot, subject: InvariantsSnapshot) -> Iterator[_Finding]:
    for name in sorted(set(baseline.norm_layers) - set(subject.norm_layers)):
        yield name, f"the subject has lost norm layer {name}"


def _config(baseline: InvariantsSnapshot, subject: InvariantsSnapshot) -> Iterator[_Finding]:
    if baseline.config_sha256 != subject.config_sha256:
        yield None, "the config fields that shape the graph differ from the baseline's"


_CHECKS: dict[InvariantCheck, Callable[[InvariantsSnapshot, InvariantsSnapshot], Iterator[_Finding]]] = {
    InvariantCheck.FINITE: _finite,
    InvariantCheck.NAMES: _names,
    InvariantCheck.SHAPES: _shapes,
    InvariantCheck.TIES: _ties,
    InvariantCheck.VOCABULARY: _vocabulary,
    InvariantCheck.NORMS: _norms,
    InvariantCheck.CONFIG: _config,
}


def _diagnostics(subject: InvariantsSnapshot) -> Iterator[str]:
    rows, tokens = subject.embedding_rows, subject.vocabulary_size
    if tokens is None:
        yield "no tokenizer was given: the embedding's rows were compared with the baseline's alone"
    elif rows > tokens:
        yield f"the embedding has {rows - tokens} rows beyond the tokenizer's {tokens} tokens"
