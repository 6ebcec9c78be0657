"""The choice against an independent reading of design page 7, over random tables with zeros and missing metrics."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
from functools import cmp_to_key

import numpy as np
import pytest

from invarlock.tau.errors import TauError
from invarlock.tau.operating_points import Preset, choose_operating_points
from invarlock.tau.operating_points_seeds import Candidate, CandidateMetrics, SeedResult
from invarlock.tau.operating_points_summary import MERGED_COST, SPLIT_COST

METRICS = ("fp_cens", "fn_in", "accept_rate", "macro_f1", "direction_f1")
Row = dict[str, float | None]


def table(rng: np.random.Generator, *, split: bool, gaps: float) -> list[dict[str, Row]]:
    """By seed and name. Few distinct values, many of them 0, so that ties and zeros are common."""

    def draw() -> float | None:
        return None if rng.random() < gaps else float(rng.choice([0.0, 0.0, 0.25, 0.5, 1.0]))

    seeds = []
    for _ in range(int(rng.integers(1, 4))):
        rows: dict[str, Row] = {}
        for name in ("d", "b", "a", "c"):
            row: Row = {metric: draw() for metric in METRICS}
            fault, semantic = rng.choice([0.0, 0.125, 0.25], 2)
            row |= {"bottom_rate": float(fault + semantic)}
            row |= {"fault_rate": float(fault), "semantic_bottom_rate": float(semantic)} if split else {}
            rows[name] = row
        seeds.append(rows)
    return seeds


def results_of(seeds: list[dict[str, Row]]) -> list[SeedResult]:
    return [
        SeedResult(
            seed=seed,
            candidates=tuple(
                Candidate(name=name, metrics=CandidateMetrics.model_validate(row))
                for name, row in rows.items()
            ),
        )
        for seed, rows in enumerate(seeds)
    ]


def naive_choice(preset: str, seeds: list[dict[str, Row]], *, split: bool, floor: float) -> str | None:
    """Pairwise comparison, part by part: better is lower or higher, missing loses, ties go on to the next part."""
    rules = {
        "safety_first": [("fp_cens", -1), ("C", -1), ("accept_rate", 1), ("fn_in", -1)],
        "accuracy_first": [("fn_in", -1), ("C", -1), ("macro_f1", 1), ("accept_rate", 1)],
        "direction_aware": [("direction_f1", 1), ("fp_cens", -1), ("C", -1), ("macro_f1", 1)],
    }[preset]

    def mean(name: str, metric: str) -> float | None:
        if metric == "C":
            parts = [("fault_rate", 1.0), ("semantic_bottom_rate", 0.5)] if split else [("bottom_rate", 1.0)]
            return statistics.fmean(
                sum(weight * (rows[name][part] or 0) for part, weight in parts) for rows in seeds
            )
        values = [value for rows in seeds if (value := rows[name][metric]) is not None]
        return statistics.fmean(values) if len(values) == len(seeds) else None

    def compare(left: str, right: str) -> int:
        for metric, sign in rules:
            a, b = mean(left, metric), mean(right, metric)
            if a == b:
                continue
            if a is None or b is None:
                return 1 if a is None else -1
            return -1 if sign * a > sign * b else 1
        return -1 if left < right else 1

    names = list(seeds[0])
    if preset == "safety_first":
        names = [n for n in names if (fn := mean(n, "fn_in")) is not None and 1 - fn >= floor]
    best = min(names, key=cmp_to_key(compare), default=None)
    return None if best is None or mean(best, rules[0][0]) is None else best


@pytest.mark.parametrize("split", [True, False])
def test_choices_are_those_of_a_naive_reading(split: bool) -> None:
    rng = np.random.default_rng(4)
    chosen = []
    for _ in range(400):
        seeds = table(rng, split=split, gaps=float(rng.choice([0.0, 0.2, 0.7])))
        points = choose_operating_points(results_of(seeds), coverage_floor=0.5)
        for preset in Preset:
            name = points.operating_points[preset].candidate
            assert name == naive_choice(preset.value, seeds, split=split, floor=0.5), (preset, seeds)
            chosen.append(name)
    # The tables reach every outcome.
    assert set(chosen) == {"a", "b", "c", "d", None}


def one_seed(**candidates: dict[str, float | None]) -> list[SeedResult]:
    return results_of([candidates])


def test_zero_is_the_best_and_missing_the_worst() -> None:
    points = choose_operating_points(
        one_seed(
            accepts_all={"fp_cens": 1.0, "fn_in": 0.0},
            clean={"fp_cens": 0.0, "fn_in": 0.25},
            unknown={"fp_cens": None, "fn_in": 0.125},
        )
    )
    assert points.operating_points[Preset.SAFETY_FIRST].candidate == "clean"
    assert points.operating_points[Preset.ACCURACY_FIRST].candidate == "accepts_all"


def test_a_gate_that_answers_nothing_is_kept_out_by_the_floor() -> None:
    always_bottom = {"fp_cens": 0.0, "fn_in": 1.0, "accept_rate": 0.0, "fault_rate": 0.0}
    always_bottom |= {"semantic_bottom_rate": 0.0, "bottom_rate": 0.0}  # as cheap as can be claimed
    useful = {"fp_cens": 0.125, "fn_in": 0.25, "accept_rate": 0.5, "fault_rate": 0.5}
    useful |= {"semantic_bottom_rate": 0.5, "bottom_rate": 0.5}
    results = one_seed(always_bottom=always_bottom, useful=useful)
    assert choose_operating_points(results).operating_points[Preset.SAFETY_FIRST].candidate == "useful"
    # It is the floor that does it: just above 0 admits no more, and a floor that nobody meets leaves no choice.
    low = choose_operating_points(results, coverage_floor=1e-9)
    assert low.operating_points[Preset.SAFETY_FIRST].candidate == "useful"
    high = choose_operating_points(results, coverage_floor=0.8).operating_points[Preset.SAFETY_FIRST]
    assert high.candidate is None
    assert high.reason == "no candidate has a known coverage of 0.8 or more"


def test_an_unknown_coverage_does_not_pass_the_floor() -> None:
    points = choose_operating_points(one_seed(silent={"fp_cens": 0.0}, told={"fp_cens": 0.5, "fn_in": 0.25}))
    assert points.operating_points[Preset.SAFETY_FIRST].candidate == "told"


@pytest.mark.parametrize("floor", [0.0, -0.1, 1.1, math.nan])
def test_a_floor_that_is_no_share_is_refused(floor: float) -> None:
    with pytest.raises(TauError, match="coverage floor"):
        choose_operating_points(one_seed(a={"fp_cens": 0.0}), coverage_floor=floor)


def test_no_point_without_its_leading_metric() -> None:
    points = choose_operating_points(
        one_seed(a={"fp_cens": 0.0, "fn_in": 0.0}, b={"fp_cens": 0.0, "fn_in": 0.0})
    )
    point = points.operating_points[Preset.DIRECTION_AWARE]
    assert (point.candidate, point.reason) == (None, "no candidate has direction_f1 in every seed")


def test_a_metric_of_a_candidate_below_the_floor_is_not_denied() -> None:
    results = one_seed(a={"fp_cens": 0.1, "fn_in": 0.9}, b={"fn_in": 0.1})
    point = choose_operating_points(results, coverage_floor=0.5).operating_points[Preset.SAFETY_FIRST]
    expected = "no candidate has a known coverage of 0.5 or more and has fp_cens in every seed"
    assert (point.candidate, point.reason) == (None, expected)


def test_mean_and_sample_deviation_over_seeds() -> None:
    values = [0.1, 0.2, 0.6]
    points = choose_operating_points(results_of([{"a": {"fp_cens": v, "fn_in": v}} for v in values]))
    summary = points.candidates[0].metrics["fp_cens"]
    assert summary.mean == pytest.approx(statistics.fmean(values))
    assert summary.std == pytest.approx(statistics.stdev(values))
    assert points.candidates[0].metrics["coverage"].mean == pytest.approx(0.7)
    alone = choose_operating_points(results_of([{"a": {"fp_cens": 0.1}}])).candidates[0].metrics["fp_cens"]
    assert (alone.mean, alone.std, alone.n) == (0.1, None, 1)


def test_a_metric_that_one_seed_lacks_has_no_mean() -> None:
    # The mean over the other seeds would be better than b's: it is not taken.
    seeds: list[dict[str, Row]] = [
        {"a": {"fn_in": 0.0}, "b": {"fn_in": 0.25}},
        {"a": {"fn_in": None}, "b": {"fn_in": 0.25}},
    ]
    points = choose_operating_points(results_of(seeds))
    assert points.operating_points[Preset.ACCURACY_FIRST].candidate == "b"
    summary = points.candidates[0].metrics["fn_in"]
    assert (summary.mean, summary.n) == (None, 1)


def test_cost_is_of_one_kind_for_all_candidates() -> None:
    told = {"fn_in": 0.0, "fault_rate": 0.0, "semantic_bottom_rate": 0.5, "bottom_rate": 0.5}
    merged = {"fn_in": 0.0, "bottom_rate": 0.375}
    both = choose_operating_points(one_seed(told=told, merged=merged))
    assert both.bottom_cost == MERGED_COST
    assert (
        both.chosen(Preset.ACCURACY_FIRST) == both.candidates[0]
    )  # merged: 0.375 against 0.5, not against 0.25
    assert both.candidates[1].mean("bottom_cost") == 0.5
    split = choose_operating_points(one_seed(told=told))
    assert (split.bottom_cost, split.candidates[0].mean("bottom_cost")) == (SPLIT_COST, 0.25)


def test_needs_no_torch() -> None:
    code = "import sys, invarlock.tau.operating_points_files; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
