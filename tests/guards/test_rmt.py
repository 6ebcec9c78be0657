import pytest

from invarlock.errors import DataError, MeasurementError
from invarlock.families import Family
from invarlock.guards.edge_comparison import family_edges, module_edges
from invarlock.guards.report import GuardReport, Severity, Verdict
from invarlock.guards.rmt import judge_redraw, judge_rmt, refuse_rmt
from invarlock.guards.rmt_metrics import RmtMetrics, RmtStatus
from invarlock.measure.edge_records import EdgeSite
from invarlock.measure.records import EstimatorContract
from invarlock.policy.rmt import RmtPolicy
from invarlock.policy.schema import TierPolicy
from tests.guards.edge_records import FAMILIES, LEVELS, record

POLICY = RmtPolicy()


def judge(risks=None, policy=POLICY, **subject):
    return judge_rmt(record(), record(risks, **subject), policy)


def test_a_model_against_itself_is_stable_even_at_epsilon_zero():
    report = judge(policy=RmtPolicy(epsilon_by_family={}, epsilon_default=0.0))
    assert (report.name, report.verdict, report.passed, report.violations) == ("rmt", Verdict.ALLOW, True, ())
    metrics = report.metrics
    assert (metrics.status, metrics.stable, metrics.epsilon_violations) == (RmtStatus.STABLE, True, ())
    assert list(metrics.families) == list(Family)
    assert all((edge.ratio, edge.delta) == (1.0, 0.0) for edge in metrics.families.values())
    assert {name: edge.edge_base for name, edge in metrics.modules.items()} == LEVELS
    assert metrics.windows == ("w0", "w1", "w2")


def test_a_module_is_its_mean_by_positions_and_a_family_its_largest_module():
    measured = record({"fc": (1.0, 2.0, 4.0)}, positions=(10, 20, 70))
    assert module_edges(measured)["fc"] == pytest.approx(0.1 * 1 + 0.2 * 2 + 0.7 * 4)
    assert family_edges(measured)[Family.FFN] == 4.0  # proj's
    assert family_edges(record({"proj": 1.0}))[Family.FFN] == 1.5  # fc's


@pytest.mark.parametrize(("risk", "accepted"), [(3.03, True), (3.0301, False), (1.0, True)])
def test_the_band_is_the_baseline_and_epsilon_of_it(risk, accepted):
    report = judge({"attn": risk}, RmtPolicy(margin=10))
    assert report.passed is accepted
    assert report.metrics.stable is accepted
    edge = report.metrics.families[Family.ATTN]
    assert (edge.edge_base, edge.edge_cur, edge.epsilon) == (3.0, risk, 0.01)
    assert edge.allowed == pytest.approx(3.03)
    assert (edge.ratio, edge.delta) == pytest.approx((risk / 3, risk / 3 - 1))


def test_a_violation_names_family_and_module():
    report = judge({"fc": 4.1, "proj": 2.0})  # another module leads the family now
    assert (report.verdict, report.metrics.status) == (Verdict.BLOCK, RmtStatus.UNSTABLE)
    assert report.metrics.epsilon_violations == (Family.FFN,)
    [finding] = [each for each in report.violations if each.severity is Severity.FATAL]
    assert (finding.type, finding.module, finding.family) == ("edge_epsilon", "fc", Family.FFN)
    assert (finding.value, finding.limit) == pytest.approx((4.1, 4.04))
    assert "4.1 is above 4.04" in finding.message


def test_a_family_without_an_epsilon_takes_the_default():
    policy = RmtPolicy(epsilon_by_family={Family.FFN: 0.5}, epsilon_default=0.02)
    families = judge({"proj": 5.9, "attn": 3.05}, policy).metrics.families
    assert {family: edge.epsilon for family, edge in families.items()} == {
        Family.FFN: 0.5,
        Family.ATTN: 0.02,
        Family.EMBED: 0.02,
        Family.OTHER: 0.02,
    }
    assert judge({"proj": 5.9, "attn": 3.05}, policy).passed


@pytest.mark.parametrize(
    ("risk", "kind"),
    [(1.64 * 1.5, None), (1.66 * 1.5, "edge_rise"), (1.5 / 1.64, None), (1.5 / 1.66, "edge_fall")],
)
def test_a_module_that_moves_by_a_factor_either_way_is_recorded(risk, kind):
    """1.5 x (1 + 0.10) = 1.65; the family's own risk, that of proj, does not move."""
    report = judge({"fc": risk})
    assert report.passed
    assert [finding.type for finding in report.violations] == ([kind] if kind else [])
    assert report.verdict is (Verdict.MONITOR if kind else Verdict.ALLOW)
    assert report.metrics.stable


def test_a_family_that_falls_by_a_factor_has_a_module_that_does():
    report = judge({"fc": 1.0, "proj": 1.0})
    assert report.metrics.families[Family.FFN].ratio == 0.25
    [fall] = report.violations
    assert (fall.type, fall.module, fall.severity) == ("edge_fall", "proj", Severity.WARNING)
    assert (fall.value, fall.limit) == pytest.approx((0.25, 1 / 1.65))


@pytest.mark.parametrize("side", ["baseline", "subject"])
def test_a_missing_side_is_a_block_with_its_reason(side):
    sides = {"baseline": record(), "subject": record(), side: None}
    report = judge_rmt(**sides, policy=POLICY)
    assert (report.verdict, report.passed) == (Verdict.BLOCK, False)
    assert (report.metrics.status, report.metrics.stable) == (RmtStatus.UNMEASURED, False)
    assert f"the {side}'s edge risk was not measured" in report.violations[0].message


def test_what_a_measurement_raised_is_the_reason():
    report = refuse_rmt("no edge risk: its output is constant (0 to 0)", POLICY)
    assert report.violations[0].message == "no edge risk: its output is constant (0 to 0)"
    assert report.violations[0].severity is Severity.FATAL


@pytest.mark.parametrize("side", ["baseline", "subject"])
def test_a_family_that_one_side_lacks_is_a_block(side):
    sides = {"baseline": record(), "subject": record(), side: record(without=["wte"])}
    report = judge_rmt(**sides, policy=POLICY)
    assert (report.verdict, report.metrics.status) == (Verdict.BLOCK, RmtStatus.UNMEASURED)
    [finding] = report.violations
    assert (finding.type, finding.family) == ("edge_family_missing", Family.EMBED)
    assert side in finding.message
    assert Family.EMBED not in report.metrics.families


@pytest.mark.parametrize("side", ["baseline", "subject"])
def test_a_module_that_one_side_lacks_is_a_block(side):
    """Without it the family's maximum would be over other modules: here it would hide a rise."""
    sides = {"baseline": record(), "subject": record(), side: record(without=["proj"])}
    report = judge_rmt(**sides, policy=RmtPolicy(epsilon_default=9, epsilon_by_family={}))
    assert not report.passed
    assert [(finding.type, finding.module) for finding in report.violations] == [
        ("edge_module_missing", "proj")
    ]


def test_other_windows_are_an_error():
    with pytest.raises(DataError, match="not evaluated on the same windows"):
        judge(windows=2)


def test_another_estimator_is_an_error():
    other = EstimatorContract(method="power_iter", tol=0.0, max_iter=3, seed=0, dtype="float32")
    with pytest.raises(MeasurementError, match="two contracts"):
        judge_rmt(record(), record().model_copy(update={"contract": other}), POLICY)


def test_a_family_at_its_ceiling_is_said_to_be_untested():
    """100 x 400 of one direction: r = 200 / 30, which no output can exceed."""
    at_ceiling = record({"wte": 200 / 30})
    report = judge_rmt(at_ceiling, at_ceiling, POLICY)
    [line] = report.diagnostics
    assert line.startswith("embed: no outputs of these shapes can leave the band (at most 6.667")
    assert judge().diagnostics == ()


def test_modules_that_the_loaded_model_lacks_are_said():
    """BERT's heads of pre-training, and the bias that early T5 checkpoints have: no language model runs them."""
    names = (
        "bert.pooler.dense",
        "cls.seq_relationship",
        "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias",
    )
    both = lacking(record(), *(EdgeSite(module=name, family=Family.OTHER) for name in names))
    report = judge_rmt(both, both, POLICY)
    assert (report.verdict, report.violations) == (Verdict.ALLOW, ())
    [line] = report.diagnostics
    assert all(name in line for name in names)


def test_a_site_that_neither_model_has_is_a_block():
    both = lacking(record(), EdgeSite(module="attn_2", family=Family.ATTN))
    report = judge_rmt(both, both, POLICY)
    assert (report.verdict, report.metrics.status) == (Verdict.BLOCK, RmtStatus.UNMEASURED)
    [finding] = report.violations
    assert (finding.type, finding.severity, finding.family) == (
        "edge_sites_absent",
        Severity.FATAL,
        Family.ATTN,
    )
    assert "attn_2" in finding.message
    assert "the rest of the family was measured" in finding.message


def test_all_but_the_embedding_absent_is_a_block_in_each_family():
    lost = [EdgeSite(module=name, family=family) for name, family in FAMILIES.items() if name != "wte"]
    both = lacking(record(without=[site.module for site in lost]), *lost)
    report = judge_rmt(both, both, POLICY)
    assert (report.passed, report.metrics.stable) == (False, False)
    assert [finding.family for finding in report.violations] == [Family.FFN, Family.ATTN, Family.OTHER]
    assert all("nothing of the family was measured" in finding.message for finding in report.violations)


def test_a_pooler_that_is_all_of_its_family_is_a_block():
    pooler = EdgeSite(module="bert.pooler.dense", family=Family.OTHER)
    both = lacking(record(without=["ln"]), pooler)
    [finding] = judge_rmt(both, both, POLICY).violations
    assert (finding.type, finding.family) == ("edge_sites_absent", Family.OTHER)


def test_a_site_that_the_other_model_has_is_told_once():
    lost = EdgeSite(module="proj", family=Family.FFN)
    report = judge_rmt(record(), lacking(record(without=["proj"]), lost), POLICY)
    assert [finding.type for finding in report.violations] == ["edge_module_missing"]


def lacking(measured, *sites):
    """The same, where the loaded model has none of ``sites``."""
    return measured.model_copy(update={"absent": sites})


def test_the_entry_survives_its_json():
    for report in (judge({"fc": 9.0}), refuse_rmt("none", POLICY)):
        read = GuardReport.model_validate_json(report.model_dump_json())
        assert read == report
        assert isinstance(read.metrics, RmtMetrics)
    assert report.policy == TierPolicy().model_dump(mode="json")["rmt"]


def test_the_verdict_can_be_made_again_from_the_entry_alone():
    report = judge({"proj": 4.5, "ln": 2.52, "attn": 3.5})
    metrics = report.metrics
    for family, edge in metrics.families.items():
        own = [module for module in metrics.modules.values() if module.family is family]
        assert edge.edge_cur == max(module.edge_cur for module in own)
        assert edge.edge_base == max(module.edge_base for module in own)
        assert (family in metrics.epsilon_violations) == (edge.edge_cur > edge.allowed)
    assert metrics.epsilon_violations == (Family.FFN, Family.ATTN)


def renamed(measured, prefix):
    """The same edge risks on windows of other names."""
    losses = tuple(
        loss.model_copy(update={"window_id": f"{prefix}{i}"}) for i, loss in enumerate(measured.losses)
    )
    windows = tuple(
        edges.model_copy(update={"window_id": f"{prefix}{i}"}) for i, edges in enumerate(measured.windows)
    )
    return measured.model_copy(update={"losses": losses, "windows": windows})


def test_a_redraw_is_judged_as_a_subject_on_the_same_windows_is():
    other = record({"attn": 3.1})
    redrawn, paired = judge_redraw(record(), renamed(other, "v"), POLICY), judge_rmt(record(), other, POLICY)
    assert redrawn.metrics.families == paired.metrics.families
    assert (redrawn.verdict, redrawn.violations) == (paired.verdict, paired.violations)
    assert (redrawn.metrics.baseline_windows, redrawn.metrics.windows) == (
        ("w0", "w1", "w2"),
        ("v0", "v1", "v2"),
    )
    assert paired.metrics.baseline_windows is None


def test_a_redraw_shares_no_window():
    with pytest.raises(DataError, match="share 3 windows"):
        judge_redraw(record(), record(), POLICY)
    with pytest.raises(DataError, match="not evaluated on the same windows"):
        judge_rmt(record(), renamed(record(), "v"), POLICY)
