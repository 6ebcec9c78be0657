"""Stored evaluations judged again, under the policy in force and under the candidate, from what was measured alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from invarlock.digests import sha256_file
from invarlock.errors import ConfigError, InvarlockError, PromotionError
from invarlock.evaluation.measured import Evidence
from invarlock.policy.diff import Direction
from invarlock.policy.resolution import ResolvedPolicy, replay_policy
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import TiersFile
from invarlock.record import Record
from invarlock.reports.compare_runs import compare_runs
from invarlock.reports.evaluation_files import read_evidence
from invarlock.reports.evaluation_manifest import EVIDENCE
from invarlock.reports.evaluation_report import EvaluationReport, Outcome
from invarlock.reports.judge_runs import judge_runs
from invarlock.reports.sweep_folder import MANIFEST, read_manifest

_TIERS = "runtime/tiers.yaml"  # where errors say that a tiers file in memory is


@dataclass(frozen=True)
class StoredEvaluation:
    """An evaluation that was made before. planted_fault: its subject is known to be bad."""

    name: str
    evidence: Evidence
    planted_fault: bool = False


class Rejudged(Record):
    """One evaluation under both policies. gates: flags of the report that differ between the two."""

    name: str
    run_key: str
    tier: Tier
    planted_fault: bool
    in_force: Outcome
    candidate: Outcome
    gates: tuple[str, ...]

    @property
    def flip(self) -> Direction | None:
        """loosening: it passes now; tightening: it does no longer; None where that stays."""
        if (self.in_force is Outcome.PASS) == (self.candidate is Outcome.PASS):
            return None
        return Direction.LOOSENING if self.candidate is Outcome.PASS else Direction.TIGHTENING


class BackTest(Record):
    """What the candidate would have said."""

    evaluations: tuple[Rejudged, ...]

    @property
    def flips(self) -> tuple[Rejudged, ...]:
        """Those with another verdict."""
        return tuple(each for each in self.evaluations if each.flip is not None)

    @property
    def escaped(self) -> tuple[Rejudged, ...]:
        """Planted faults that the policy in force catches and the candidate does not."""
        return tuple(each for each in self.flips if each.planted_fault and each.flip is Direction.LOOSENING)

    @property
    def missed(self) -> tuple[Rejudged, ...]:
        """Planted faults that neither catches."""
        passed = (each for each in self.evaluations if each.in_force is each.candidate is Outcome.PASS)
        return tuple(each for each in passed if each.planted_fault)


def stored_evaluations(
    folders: Sequence[Path], planted_faults: Sequence[Path] = ()
) -> Iterator[StoredEvaluation]:
    """Every evaluation below ``folders`` and ``planted_faults``, one at a time. A folder that is not there has none.

    PromotionError for what would otherwise be left out in silence: a folder without evidence, a link, evidence that
    cannot be read or is not what its manifest says.
    """
    for root, planted in (*((f, False) for f in folders), *((f, True) for f in planted_faults)):
        for folder in _evaluations(root):
            name = (Path(root.name) / folder.relative_to(root)).as_posix()
            yield StoredEvaluation(name, _believed(folder / EVIDENCE), planted)


def back_test(stored: Iterable[StoredEvaluation], in_force: TiersFile, candidate: TiersFile) -> BackTest:
    """Judge each of ``stored`` once. What its config, edit or profile overrode stays overridden.

    One that is there twice counts once, as a planted fault if it is one anywhere. PromotionError for one that cannot
    be judged.
    """
    found: dict[str, Rejudged] = {}
    for evaluation in stored:
        again = found.get(evaluation.evidence.plan.run_key)
        if again is None:
            again = _rejudge(evaluation, in_force, candidate)
        found[again.run_key] = again.model_copy(
            update={"planted_fault": again.planted_fault or evaluation.planted_fault}
        )
    return BackTest(evaluations=tuple(sorted(found.values(), key=lambda each: (each.name, each.run_key))))


def ensure_caught(found: BackTest) -> None:
    """PromotionError with every planted fault that would pass."""
    if found.escaped:
        names = ", ".join(each.name for each in found.escaped)
        raise PromotionError(
            f"known faults would pass under the new policy: {names}",
            fix="calibrate on runs that are harmless beyond doubt, or leave the gates that catch them as they are",
        )


def _evaluations(root: Path) -> Sequence[Path]:
    """The folders of evaluations below ``root``, which may be empty; each other folder holds one, or lies in one."""
    below = sorted(root.rglob("*"))
    found = sorted({path.parent for path in below if path.name in (EVIDENCE, MANIFEST)})
    for path in below:
        if path.is_symlink():
            raise PromotionError(
                "a link is refused among evaluations: what it leads to may be left out",
                where=path,
                fix="put the file or folder itself in its place",
            )
        if path.is_dir() and not any(
            path.is_relative_to(each) or each.is_relative_to(path) for each in found
        ):
            raise PromotionError(
                "the folder holds no evaluation",
                where=path,
                fix="put the whole results folder of the evaluation back, or move this one away",
            )
    return found


def _believed(path: Path) -> Evidence:
    manifest = read_manifest(path.parent)
    try:
        evidence = read_evidence(path)
    except ConfigError as error:
        raise PromotionError(
            f"a stored evaluation cannot be judged again: {error.what}", where=error.where, fix=error.fix
        ) from error
    if (
        manifest is None
        or manifest.files.get(EVIDENCE) != sha256_file(path)
        or manifest.run_key != evidence.plan.run_key
    ):
        raise PromotionError(
            "the evidence of a stored evaluation is not what its manifest says",
            where=path,
            fix="find out who changed it, and move the folder away or make the evaluation again",
        )
    return evidence


def _rejudge(stored: StoredEvaluation, in_force: TiersFile, candidate: TiersFile) -> Rejudged:
    plan = stored.evidence.plan
    try:
        policies = [
            replay_policy(tiers, _TIERS, plan.tier, plan.policy.overrides) for tiers in (in_force, candidate)
        ]
        now = _judge(stored.evidence, policies[0])
        then = now if policies[0] == policies[1] else _judge(stored.evidence, policies[1])
    except InvarlockError as error:
        raise PromotionError(
            f"evaluation {stored.name} cannot be judged again: {error.what}",
            where=error.where,
            fix="move its folder away, or make the evaluation again",
        ) from error
    flags = then.validation.model_dump()
    return Rejudged(
        name=stored.name,
        run_key=plan.run_key,
        tier=plan.tier,
        planted_fault=stored.planted_fault,
        in_force=now.verdict.outcome,
        candidate=then.verdict.outcome,
        gates=tuple(name for name, flag in now.validation if flag is not flags[name]),
    )


def _judge(evidence: Evidence, policy: ResolvedPolicy) -> EvaluationReport:
    runs = judge_runs(evidence.plan.model_copy(update={"policy": policy}), evidence.measured)
    return compare_runs(runs.baseline, runs.subject)
