"""Stored evaluations under a candidate policy: what flips, and that known faults stay caught."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invarlock.errors import PromotionError
from invarlock.evaluation.measured import Evidence
from invarlock.policy.diff import Direction
from invarlock.policy.resolution import resolve_policy
from invarlock.policy.schema import TierPolicy
from invarlock.policy.tiers_file import TiersFile, apply_patch, live_tiers_path, load_tiers, read_tiers
from invarlock.promotion.backtest import (
    BackTest,
    StoredEvaluation,
    back_test,
    ensure_caught,
    stored_evaluations,
)
from invarlock.reports.evaluation_manifest import EVIDENCE
from invarlock.reports.evaluation_report import Outcome
from invarlock.reports.sweep_folder import MANIFEST
from tests.flows.evaluations import write_edit
from tests.promotion.patches import Values, patch_yaml
from tests.reports.changed_evidence import under
from tests.reports.evaluations import evaluate_here, report_of, write_here

LIVE = load_tiers(live_tiers_path())
EDIT = "edit: {name: quant_rtn, plan: {bitwidth: 8}}\n"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluated")


@pytest.fixture(scope="module")
def rounded(evaluated: Path) -> Evidence:
    """The shipped model rounded to 8 bits, with floors that its few windows reach."""
    return under(evaluate_here(evaluated, edit_config=write_edit(evaluated, EDIT)))


def patched(values: Values, base: TiersFile = LIVE) -> TiersFile:
    return apply_patch(base, read_tiers(patch_yaml(values), Path("patch")))


def epsilons(value: float) -> Values:
    families = dict.fromkeys(("ffn", "attn", "embed", "other"), value)
    return {"balanced": {"rmt_guard": {"epsilon_by_family": families}}}


def drift_caps(value: float) -> Values:
    caps = {family: {"relative_change": value} for family in ("ffn", "attn", "embed", "other")}
    return {"balanced": {"spectral_guard": {"drift_caps": caps}}}


OPEN = patched(epsilons(9.0))
SHUT = patched(drift_caps(1e-9), OPEN)


def compared(
    evidence: Evidence, in_force: TiersFile, candidate: TiersFile, *, planted_fault: bool = False
) -> BackTest:
    return back_test([StoredEvaluation("one", evidence, planted_fault)], in_force, candidate)


def test_a_verdict_flips_with_the_policy_and_the_gate_is_named(rounded: Evidence) -> None:
    for in_force, candidate, outcomes, direction in (
        (OPEN, SHUT, (Outcome.PASS, Outcome.FAIL), Direction.TIGHTENING),
        (SHUT, OPEN, (Outcome.FAIL, Outcome.PASS), Direction.LOOSENING),
    ):
        found = compared(rounded, in_force, candidate)
        [flip] = found.flips
        assert (flip.in_force, flip.candidate, flip.flip) == (*outcomes, direction)
        assert flip.gates == ("spectral_stable",)
        ensure_caught(found)


def test_the_same_policy_flips_nothing(rounded: Evidence) -> None:
    found = compared(rounded, SHUT, SHUT)
    assert [each.in_force for each in found.evaluations] == [Outcome.FAIL]
    assert not found.flips


def test_the_verdict_in_force_is_that_of_the_evaluation_itself(rounded: Evidence) -> None:
    [again] = compared(rounded, LIVE, patched({"aggressive": epsilons(0.5)["balanced"]})).evaluations
    assert again.in_force is again.candidate is report_of(rounded).verdict.outcome


def test_what_the_config_of_an_evaluation_overrode_stays(rounded: Evidence) -> None:
    guards = TierPolicy.model_validate(
        {"spectral": drift_caps(9.0)["balanced"]["spectral_guard"]}  # type: ignore[index]
    )
    metrics = TierPolicy.model_validate({"metrics": rounded.plan.policy.policy.metrics.given()})
    policy = resolve_policy("balanced", guards=guards.model_copy(update={"metrics": metrics.metrics}))
    plan = rounded.plan.model_copy(update={"policy": policy})
    assert policy.policy.spectral.drift_caps is not None
    assert not compared(rounded.model_copy(update={"plan": plan}), OPEN, SHUT).flips


def test_a_known_fault_that_would_pass_is_refused(rounded: Evidence) -> None:
    found = compared(rounded, SHUT, OPEN, planted_fault=True)
    assert [each.name for each in found.escaped] == ["one"]
    with pytest.raises(PromotionError, match="known faults would pass under the new policy: one"):
        ensure_caught(found)
    ensure_caught(compared(rounded, OPEN, SHUT, planted_fault=True))
    missed = compared(rounded, OPEN, OPEN, planted_fault=True)
    assert [each.name for each in missed.missed] == ["one"]
    ensure_caught(missed)


def test_an_evaluation_that_is_there_twice_counts_once_and_as_a_fault(
    tmp_path: Path, rounded: Evidence
) -> None:
    write_here(tmp_path / "stored/a", rounded)
    write_here(tmp_path / "faults/b", rounded)
    stored = list(stored_evaluations([tmp_path / "stored"], [tmp_path / "faults"]))
    assert [(each.name, each.planted_fault) for each in stored] == [("stored/a", False), ("faults/b", True)]
    [only] = back_test(stored, SHUT, OPEN).evaluations
    assert (only.name, only.planted_fault) == ("stored/a", True)


def test_altered_evidence_is_not_judged(tmp_path: Path, rounded: Evidence) -> None:
    write_here(tmp_path, rounded)
    evidence, manifest = tmp_path / EVIDENCE, tmp_path / MANIFEST
    whole = {path: path.read_text() for path in (evidence, manifest)}

    def refused() -> None:
        with pytest.raises(PromotionError, match="not what its manifest says"):
            list(stored_evaluations([tmp_path]))
        for path, text in whole.items():
            path.write_text(text)

    altered = json.loads(whole[evidence])
    altered["measured"]["subject"]["losses"][0]["nll"] = 1.0
    evidence.write_text(json.dumps(altered))
    refused()
    manifest.unlink()
    refused()
    manifest.write_text(whole[manifest].replace(rounded.plan.run_key, "0" * 64))
    refused()
    assert len(list(stored_evaluations([tmp_path]))) == 1


@pytest.mark.parametrize("planted_faults", [False, True])
def test_nothing_that_is_kept_leaves_in_silence(
    tmp_path: Path, rounded: Evidence, planted_faults: bool
) -> None:
    kept, apart = tmp_path / "kept", tmp_path / "apart"
    write_here(kept / "group/a", rounded)
    write_here(apart, rounded)
    evidence = kept / "group/a" / EVIDENCE

    def found() -> list[StoredEvaluation]:
        return list(stored_evaluations([], [kept]) if planted_faults else stored_evaluations([kept]))

    def refused(reason: str) -> None:
        with pytest.raises(PromotionError, match=reason):
            found()

    assert [each.name for each in found()] == ["kept/group/a"]
    whole = evidence.read_bytes()
    evidence.unlink()
    refused("cannot be judged again")
    evidence.write_text("{}")
    refused("cannot be judged again")
    evidence.unlink()
    evidence.symlink_to(apart / EVIDENCE)
    refused("a link is refused")
    evidence.unlink()
    (evidence.parent / MANIFEST).rename(tmp_path / MANIFEST)
    refused("holds no evaluation")
    (tmp_path / MANIFEST).rename(evidence.parent / MANIFEST)
    evidence.write_bytes(whole)
    (kept / "link").symlink_to(apart)
    refused("a link is refused")
    (kept / "link").unlink()
    (kept / "emptied/by").mkdir(parents=True)
    refused("holds no evaluation")


def test_a_folder_without_evaluations_has_none(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("Nothing yet.")
    assert list(stored_evaluations([tmp_path], [tmp_path / "none"])) == []
    assert back_test(stored_evaluations([]), LIVE, OPEN).evaluations == ()


def test_a_tier_that_the_candidate_does_not_have(rounded: Evidence) -> None:
    without = TiersFile.model_validate({"conservative": {}})
    with pytest.raises(
        PromotionError, match="evaluation one cannot be judged again: no tier is called 'balanced'"
    ):
        compared(rounded, LIVE, without)
