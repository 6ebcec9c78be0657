"""Metrics against a count sample by sample."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from invarlock.tau.benchmark.assay import Readings
from invarlock.tau.benchmark.heads import Heads
from invarlock.tau.benchmark.score import score
from invarlock.tau.inference_config import InferenceConfig

TAU = 0.25


def drawn(rng: np.random.Generator, n: int) -> tuple[Heads, Readings]:
    p = rng.choice(
        np.array([-1, 0, 1, np.nan, np.inf, 3e38], np.float32), n, p=[0.4, 0.1, 0.35, 0.05, 0.05, 0.05]
    )
    q = rng.choice(np.array([0, 0.1, 0.25, -0.5, 1, np.nan], np.float32), n)
    direction = rng.choice(np.array([-1, 0, 1, np.nan], np.float32), n)
    samples = Readings(
        ids=np.arange(n).astype(str),
        features=np.zeros((n, 3), np.float32),
        log_dose=rng.standard_normal(n).astype(np.float32),
        side=rng.choice(np.array([-1, 0, 1], np.int8), n),
    )
    return Heads(p, q, direction), samples


def naive(heads: Heads, samples: Readings) -> dict[str, float | None]:
    rows: list[dict[str, Any]] = []
    for p, q, direction, side, dose in zip(*heads, samples.side, samples.log_dose, strict=True):
        finite = math.isfinite(p) and math.isfinite(q)
        overflows = finite and q != 0 and abs(float(p) / float(q)) > float(np.finfo(np.float32).max)
        fault, semantic = not finite or overflows, bool(abs(q) < TAU)
        bottom = fault or semantic
        named = "in" if not bottom else "below" if direction < 0 else "above" if direction > 0 else "unknown"
        error = None if bottom or side else abs(float(p) / float(q) - float(dose))
        truth = {-1: "below", 0: "in", 1: "above"}[int(side)]
        rows.append(
            {
                "truth": truth,
                "named": named,
                "bottom": bottom,
                "fault": fault,
                "semantic": semantic,
                "error": error,
            }
        )

    def rate(key: str, of: list[dict[str, Any]]) -> float | None:
        return sum(row[key] for row in of) / len(of) if of else None

    def f1(truth: set[str], named: set[str]) -> float:
        tp = sum(row["truth"] in truth and row["named"] in named for row in rows)
        precision = tp / sum(row["named"] in named for row in rows)
        recall = tp / sum(row["truth"] in truth for row in rows)
        return 2 * precision * recall / (precision + recall)

    inside = [row for row in rows if row["truth"] == "in"]
    accepted = rate("bottom", [row for row in rows if row["truth"] != "in"])
    errors = [row["error"] for row in rows if row["error"] is not None]
    out = {"below", "above"}
    return {
        "fp_cens": None if accepted is None else 1 - accepted,
        "fn_in": rate("bottom", inside),
        "accept_rate": 1 - (rate("bottom", rows) or 0),
        "macro_f1": (f1({"in"}, {"in"}) + f1(out, out | {"unknown"})) / 2,
        "direction_f1": (f1({"below"}, {"below"}) + f1({"above"}, {"above"})) / 2,
        "fault_rate": rate("fault", rows),
        "semantic_bottom_rate": rate("semantic", rows),
        "bottom_rate": rate("bottom", rows),
        "mae_in": sum(errors) / len(errors),
    }


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_those_of_a_count_sample_by_sample(seed: int) -> None:
    heads, samples = drawn(np.random.default_rng(seed), 400)
    got = score(heads, samples, InferenceConfig(TAU)).model_dump()
    for metric, value in naive(heads, samples).items():
        assert got[metric] == pytest.approx(value, rel=1e-5), metric


def test_what_has_no_samples_is_missing() -> None:
    heads, samples = drawn(np.random.default_rng(0), 400)
    inside = samples.is_in_range
    got = score(Heads(*(array[inside] for array in heads)), samples.at(inside), InferenceConfig(TAU))
    assert got.fp_cens is None
    nothing = score(heads, samples, InferenceConfig(1e30))
    assert (nothing.accept_rate, nothing.mae_in, nothing.fn_in) == (0.0, None, 1.0)
