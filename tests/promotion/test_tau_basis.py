"""What a tau rests on: censored samples, independent as far as somebody says which rows are which."""

from pathlib import Path

import numpy as np
import pytest

from invarlock.calibration.tau import find_tau
from invarlock.calibration.tau_plan import TauOptions
from invarlock.calibration.tau_records import SampleColumn, TauFindings, TauQuestion
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path, read_tiers, tiers_digest
from invarlock.promotion.policy_checks import PolicyCheck, check_policy
from invarlock.promotion.promotion_config import Limits
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.promotion.sweep_basis import bases_of, recommended_patch
from invarlock.reports.tau_sweep_files import patch_yaml
from invarlock.reports.tau_sweep_report import TauProvenance, TauSweepReport
from invarlock.tau.requirement import Requirement
from invarlock.tau.samples import samples_of
from tests.calibration.tau_samples import drawn
from tests.promotion.config_root import report, requested, shipped_root

COLUMN = SampleColumn(sha256="a" * 64, column="q_abs")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return shipped_root(tmp_path)


def tau_report(root: Path, *, ids: bool, claimed: bool, seed: int = 0) -> TauSweepReport:
    """Of 60 samples in 10 rows each where there are neither ids nor a claim; else of 3,000 samples."""
    q_abs, is_in_range = drawn() if ids or claimed else (np.repeat(part, 10) for part in drawn(60, seed=1))
    samples = samples_of(
        q_abs, is_in_range, ids=np.arange(q_abs.size) if ids else None, rows_are_samples=claimed
    )
    question = TauQuestion(
        q_abs=COLUMN,
        labels=COLUMN,
        ids=COLUMN if ids else None,
        rows_are_samples=claimed,
        gate_dtype=None,
        taus=(),
        requirement=Requirement(0.05),
        tau_train_multiple=None,
        target_gap_rate=None,
        seed=seed,
        calibration_share=0.5,
    )
    return of_findings(root, question, find_tau(samples, question))


def of_findings(root: Path, question: TauQuestion, found: TauFindings) -> TauSweepReport:
    base = report(tiers_digest(live_tiers_path(root)))
    provenance = base.provenance
    return TauSweepReport(
        generated_at=base.generated_at,
        volatile=base.volatile,
        config=TauOptions(files={"q_abs": "q.npy"}, question=question, head="h", tiers=(Tier.BALANCED,)),
        swept=found.swept,
        sweep_sha256="b" * 64,
        calibration=found.calibration,
        tau_train=found.tau_train,
        provenance=TauProvenance(
            run_key=provenance.run_key,
            samples={},
            tiers_sha256=provenance.tiers_sha256,
            code=provenance.code,
        ),
    )


def checks_of(root: Path, found: TauSweepReport) -> dict[str, PolicyCheck]:
    values = read_tiers(recommended_patch(found), Path("patch")).given()
    checks = check_policy(RuntimeFiles.of(root), requested(root, values), bases_of(found), Limits())
    return {check.name: check for check in checks}


@pytest.mark.parametrize(("ids", "claimed"), [(True, False), (False, True)])
def test_ids_or_somebodys_word_make_samples_count(root: Path, ids: bool, claimed: bool) -> None:
    found = tau_report(root, ids=ids, claimed=claimed)
    [basis] = bases_of(found)
    assert basis.n_effective == basis.n_runs == found.calibration.recommendation.n_cens
    assert basis.unsupported == {}
    assert ("the operator's word" in basis.statement) == claimed
    assert all(check.passed for check in checks_of(root, found).values())


def test_rows_that_nobody_calls_samples_count_for_nothing(root: Path) -> None:
    found = tau_report(root, ids=False, claimed=False)
    [basis] = bases_of(found)
    assert (basis.n_runs > 59, basis.n_effective) == (True, 0)
    assert "only if every row is a sample of its own" in basis.statement
    checks = checks_of(root, found)
    assert [name for name, check in checks.items() if not check.passed] == ["independent observations"]
    for fix in ("--ids", "--id-column", "--rows-are-samples"):
        assert fix in checks["independent observations"].reason


def test_the_seed_stands_where_reviewers_read(root: Path) -> None:
    found = tau_report(root, ids=True, claimed=False, seed=7)
    [basis] = bases_of(found)
    for text in (basis.statement, patch_yaml(found)):
        assert "The split has seed 7: " in text
        assert "seed 7, not 0: the promise is of a seed that was fixed before any result was seen" in text
    assert "not 0" not in bases_of(tau_report(root, ids=True, claimed=False))[0].statement
