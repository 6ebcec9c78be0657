import math

import pytest

from invarlock.families import Family
from invarlock.gates.primary_metric import judge_accuracy, judge_ratio
from invarlock.gates.tail import judge_tail
from invarlock.guards.rmt_metrics import FamilyEdge, ModuleEdge
from invarlock.guards.spectral_metrics import FamilyStatistics, JudgedModule
from invarlock.measure.records import WindowHits
from invarlock.metrics.accuracy import accuracy_metric
from invarlock.metrics.paired_ratio import ratio_with_interval
from invarlock.metrics.paired_windows import PairedLosses
from invarlock.policy.metrics import AccuracyGate, RatioGate, TailGate
from invarlock.reports.delta_plot import plot_deltas
from invarlock.reports.edge_plot import plot_edges
from invarlock.reports.interval_plot import plot_interval
from invarlock.reports.module_z_plot import plot_module_z

KAPPA = dict.fromkeys(Family, 3.0)
STATISTICS = {family: FamilyStatistics(mean=2.0, std=0.5, count=9) for family in Family}


def module(i, z):
    return JudgedModule(
        name=f"module {i}",
        family=list(Family)[i % 4],
        rule="r",
        shape=(2, 2),
        aliases=(),
        tensor_sha256="0",
        sigma_base=2.0 + 0.1 * math.sin(i),
        sigma=1.0,
        z=z,
        stable_rank_ratio=1.0,
        norm_collapse_ratio=1.0,
        log_sigma=0.0,
        relative_change=0.0,
        edit_edge=0.0,
    )


def deltas(values, **policy):
    gate = TailGate(**policy)
    return plot_deltas(values, judge_tail(values, gate).stats, gate)


def test_a_model_of_thousands_of_experts_makes_a_small_picture_that_keeps_the_worst():
    modules = [module(i, math.sin(i)) for i in range(6000)]
    modules[3001] = module(3001, -7.5)
    svg = plot_module_z(modules, STATISTICS, KAPPA, [modules[3001], modules[7]])
    assert len(svg) < 100_000
    assert ">1</text>" in svg


@pytest.mark.parametrize(("largest", "drawn"), [(0.15, True), (0.01, False)])
def test_a_limit_far_from_the_windows_is_told(largest, drawn):
    svg = deltas([0.0, 0.001, largest] * 20, quantile_max=0.2)
    assert ("limit 0.2: off the chart →" in svg) is not drawn
    assert svg.count("var(--bad)") >= 1


@pytest.mark.parametrize("values", [[0.0] * 60, [-0.25] * 60, [40.0] * 60, [1e-12, -1e-12] * 30])
def test_windows_that_hardly_differ_or_differ_a_lot_are_drawn(values):
    assert "windows" in deltas(values)


@pytest.mark.parametrize("nats", [0.0, 0.01, 15.0])
def test_ratios_of_every_size_are_drawn(nats):
    spread = tuple(nats + 0.001 * math.sin(i) for i in range(60))
    ratio = ratio_with_interval(
        PairedLosses(deltas=spread, tokens=(10,) * 60, mean=nats), replicates=200, seed=1
    )
    flag = judge_ratio(ratio, tokens=600, available=600, policy=RatioGate())
    assert "perplexity, times the baseline&#39;s" in plot_interval(flag).replace("'", "&#39;")


def test_accuracy_is_drawn_in_points():
    hits = [WindowHits(window_id=str(i), tokens=10, hits=5 + i % 3) for i in range(60)]
    metric = accuracy_metric(hits, hits[::-1], hits[::-1], replicates=200, seed=1)
    flag = judge_accuracy(metric, available=60, policy=AccuracyGate())
    assert "change of accuracy, percentage points" in plot_interval(flag)


def test_edges_of_many_modules_make_a_small_picture():
    families = {
        family: FamilyEdge(
            edge_base=2.0, edge_cur=2.1, epsilon=0.01, allowed=2.02, ratio=1.05, delta=0.05, ceiling=9.0
        )
        for family in Family
    }
    modules = {
        f"m{i}": ModuleEdge(family=list(Family)[i % 4], edge_base=1.0, edge_cur=1.0, ratio=1 + i / 1e4)
        for i in range(6000)
    }
    svg = plot_edges(families, modules)
    assert len(svg) < 100_000
    for family in Family:
        assert f">{family.value}</text>" in svg
