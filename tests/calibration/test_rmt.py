import math

import numpy as np
import pytest
from scipy import stats

from invarlock.calibration.rmt import summarize_rmt_sweep_reports
from invarlock.errors import ConfigError, DataError
from invarlock.families import Family

FAMILIES = [family.value for family in Family]


def report(
    deltas, seed, *, tier="balanced", baseline="b", weights=None, paired=False, epsilon=0.01, **windows
):
    """A run whose families have these deltas, in the order of Family; None is a baseline risk of 0."""
    families = {
        name: {"edge_base": 2.0, "edge_cur": 2.0 * (1 + delta)}
        if delta is not None
        else {"edge_base": 0.0, "edge_cur": 1.0}
        for name, delta in zip(FAMILIES, deltas, strict=False)
    }
    metrics = {
        "families": families,
        "epsilon_by_family": dict.fromkeys(FAMILIES, epsilon),
        "epsilon_default": epsilon,
        "windows": [f"w{seed}"],
        "baseline_windows": None if paired else [f"v{seed}"],
        "contract_digest": "c",
    } | windows
    return {
        "meta": {"tier": tier},
        "model": {"digest": weights or baseline, "baseline_digest": baseline},
        "guards": [{"name": "rmt", "metrics": metrics}],
    }


def redraws(values, **changes):
    return [report(row, seed, **changes) for seed, row in enumerate(np.asarray(values).tolist())]


def summarize(reports, **options):
    return summarize_rmt_sweep_reports(reports, tier="balanced", **options)


def draw(rng, n):
    """n runs of skewed, dependent deltas of very different size."""
    shared, own = rng.standard_normal((n, 1)), rng.standard_normal((n, 4))
    return np.array([0.05, 0.02, 0.001, 0.03]) * (np.exp(0.6 * shared + 0.4 * own) - 1)


@pytest.mark.parametrize("q", [0.95, 0.97, 0.99])
def test_quantiles_are_numpys_and_too_few_runs_give_the_largest_delta(q):
    values = draw(np.random.default_rng(0), 30)
    summary = summarize(redraws(values), quantile=q)
    needed = math.ceil(math.log(0.05) / math.log(q))
    assert summary["evidence"]["n_effective"] == 30
    assert summary["evidence"]["n_needed"] == needed
    assert summary["evidence"]["unsupported"] == FAMILIES
    assert not summary["evidence"]["supported"]
    assert f"30 cannot bound the {q:g} quantile, {needed} can" in summary["evidence"]["statement"]
    for column, family in enumerate(FAMILIES):
        seen, epsilon = values[:, column], summary["recommendations"]["epsilon_by_family"][family]
        assert summary["observed"]["family_delta"][family]["quantile"] == pytest.approx(np.quantile(seen, q))
        assert 0 <= epsilon - seen.max() <= 1.000001e-6


@pytest.mark.parametrize("n", [59, 93, 200])
def test_enough_runs_give_the_order_statistic_of_scipys_quantile_test(n):
    values = draw(np.random.default_rng(n), n)
    summary = summarize(redraws(values))
    assert summary["evidence"]["supported"]
    for column, family in enumerate(FAMILIES):
        interval = stats.quantile_test(values[:, column], q=0, p=0.95, alternative="less")
        bound = float(interval.confidence_interval(0.95).high)
        found = summary["evidence"]["by_family"][family]
        assert found["value"] == pytest.approx(bound, abs=1e-12)
        assert sorted(values[:, column])[found["rank"] - 1] == pytest.approx(bound, abs=1e-12)


def broken_promises(draws, models, simulations):
    """Simulated sweeps whose epsilon of the first family more than 5 % of some baseline's fresh runs exceed.

    draws: gives the runs of a sweep, a row a baseline, whose deltas are scale x normal.
    """
    scales = 0.01 * 2.0 ** np.arange(models)
    pool = [f"b{model}" for model in range(models)]
    broken = 0
    for _ in range(simulations):
        values = draws()
        reports = [
            report([scales[m] * values[m][seed]], seed, baseline=pool[m])
            for m in range(models)
            for seed in range(len(values[m]))
        ]
        epsilon = summarize(reports, pool=pool)["recommendations"]["epsilon_by_family"]["ffn"]
        broken += max(stats.norm.sf(epsilon / scales)) > 0.05
    return broken


@pytest.mark.parametrize(
    ("n", "models", "shared"), [(59, 1, False), (93, 1, False), (59, 2, False), (59, 2, True)]
)
def test_no_more_than_a_twentieth_of_fresh_runs_is_beyond_epsilon_with_95_percent_confidence(
    n, models, shared
):
    rng = np.random.default_rng(n + models)

    def draws():
        return [rng.standard_normal(n)] * models if shared else rng.standard_normal((models, n))

    # As many broken promises as 5 % allow, by chance at most one time in a thousand.
    assert broken_promises(draws, models, 200) <= stats.binom.ppf(0.999, 200, 0.05)


def test_the_plain_quantile_of_59_runs_breaks_the_promise_that_the_order_statistic_keeps():
    rng = np.random.default_rng(1)
    plain = [np.quantile(rng.standard_normal(59), 0.95) for _ in range(250)]
    assert sum(stats.norm.sf(value) > 0.05 for value in plain) > 80


def test_more_baselines_on_the_same_windows_are_no_more_runs():
    values = draw(np.random.default_rng(3), 40)
    both = redraws(values) + redraws(values * 1.1, baseline="other")
    summary = summarize(both, pool=["b", "other"])
    assert summary["evidence"]["n_effective"] == 40
    assert not summary["evidence"]["supported"]
    alone = summarize(redraws(values * 1.1, baseline="other"))
    assert summary["recommendations"] == alone["recommendations"]


def test_repeated_and_unvaried_runs_are_no_further_draw():
    values = draw(np.random.default_rng(4), 12)
    edits = [report(row, 0, weights=f"e{i}", paired=True) for i, row in enumerate(values.tolist())]
    padded = [*edits, *edits, report([0.0] * 4, 5, paired=True)]
    summary = summarize(padded)
    assert summary["paired"]
    assert (summary["evidence"]["n_effective"], summary["evidence"]["n_unvaried"]) == (12, 1)
    assert summary["recommendations"] == summarize(edits)["recommendations"]


def test_a_model_against_itself_on_its_own_windows_is_no_null():
    with pytest.raises(DataError, match="none of 3 runs could vary"):
        summarize([report([0.0] * 4, seed, paired=True) for seed in range(3)])


def test_zero_and_missing_baselines_are_skipped_and_counted():
    values = draw(np.random.default_rng(5), 10).tolist()
    values[3][1] = None
    del values[7][1:]
    summary = summarize([report(row, seed) for seed, row in enumerate(values)])
    skipped = {f: d["n_skipped"] for f, d in summary["observed"]["family_delta"].items()}
    assert skipped == {"ffn": 0, "attn": 2, "embed": 1, "other": 1}
    assert summary["observed"]["family_delta"]["attn"]["n"] == 8


def test_a_family_without_any_baseline_or_that_the_null_does_not_move_is_left_out():
    summary = summarize([report([0.01 * seed, 0.0, None], seed) for seed in range(1, 5)])
    assert set(summary["recommendations"]["epsilon_by_family"]) == {"ffn"}
    assert summary["evidence"]["unvaried"] == ["attn"]
    assert summary["evidence"]["unmeasured"] == ["embed"]
    assert "LEFT OUT (attn): delta is exactly 0" in summary["evidence"]["statement"]
    assert "LEFT OUT (embed): no run" in summary["evidence"]["statement"]


def test_epsilon_is_never_below_zero_and_takes_the_margin_before_it_is_rounded_up():
    summary = summarize([report([-0.02 - seed / 100, seed / 64], seed) for seed in range(1, 4)])
    assert summary["recommendations"]["epsilon_by_family"] == {"ffn": 0.0, "attn": 0.046875}
    wider = summarize([report([0.0, 0.0100001 * seed], seed) for seed in range(1, 4)], safety_margin=0.1)
    assert wider["recommendations"]["epsilon_by_family"] == {"attn": 0.033001}


def test_no_run_that_was_seen_is_beyond_its_epsilon_and_the_rate_now_is_of_the_guard():
    values = draw(np.random.default_rng(6), 25)
    summary = summarize(redraws(values))
    for column, family in enumerate(FAMILIES):
        epsilon = summary["recommendations"]["epsilon_by_family"][family]
        assert all(2.0 * (1 + delta) <= (1 + epsilon) * 2.0 for delta in values[:, column])
    assert summary["observed"]["beyond_band_rate"] == (values > 0.01).any(axis=1).mean()
    assert summary["observed"]["beyond_band_by_family_runs"] == {
        family: int(count)
        for family, count in zip(FAMILIES, (values > 0.01).sum(axis=0), strict=True)
        if count
    }


def test_a_report_without_the_guard_is_counted_and_in_no_rate():
    bare = {"meta": {"tier": "balanced"}, "guards": []}
    summary = summarize([report([0.02], 1), bare])
    assert (summary["n_runs"], summary["n_missing"]) == (2, 1)
    assert summary["observed"]["beyond_band_rate"] == 1.0
    with pytest.raises(DataError, match="none of 1 reports"):
        summarize([bare])


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"tier": "aggressive"}, "tier aggressive"),
        ({"baseline": "stranger"}, "2 baselines"),
        ({"epsilon": 0.02}, "mix band"),
        ({"contract_digest": "d"}, "mix estimator"),
        ({"paired": True, "weights": "e"}, "mix null: paired; redraw"),
    ],
)
def test_reports_that_do_not_belong_together(other, says):
    with pytest.raises(DataError, match=says):
        summarize([report([0.02], 1), report([0.03], 2, **other)])


def test_an_entry_that_contradicts_itself_or_is_not_whole():
    torn = report([0.02], 1)
    torn["guards"][0]["metrics"]["families"]["ffn"]["delta"] = 0.03
    with pytest.raises(DataError, match=r"ffn\.delta is 0\.03, its edges give 0\.02") as error:
        summarize([report([0.02], 2), torn])
    assert error.value.where == "reports[1]"
    for key, value in (("edge_cur", None), ("edge_cur", math.nan), ("edge_base", -1.0)):
        bad = report([0.02], 1)
        bad["guards"][0]["metrics"]["families"]["ffn"][key] = value
        with pytest.raises(DataError, match=key):
            summarize([bad])


@pytest.mark.parametrize("options", [{"quantile": 0.9}, {"quantile": 0.999}, {"safety_margin": -0.1}])
def test_settings_out_of_range(options):
    with pytest.raises(ConfigError):
        summarize([report([0.02], 1)], **options)
    with pytest.raises(ConfigError, match="safety margin"):
        summarize([report([0.02], 1)], safety_margin=math.inf)
