"""Folders of per-seed results: what is read, what is refused and by which words, what is written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from invarlock.errors import DataError
from invarlock.tau.operating_points import Preset
from invarlock.tau.operating_points_files import DIAGNOSTICS, POINTS, SUMMARY, write_operating_points

SPLIT = {
    "seed": 3,
    "calibration_share": 0.5,
    "ids": "given",
    "method": "by a hash of the id",
    "n_calibration": 10,
    "n_evaluation": 12,
    "n_repeated": 0,
    "warnings": [],
}


def result(seed: int, **changed: Any) -> dict[str, Any]:
    metrics = {"fp_cens": 0.0, "fn_in": 0.125, "accept_rate": 0.5, "macro_f1": 0.75, "direction_f1": 0.5}
    rates = {"fault_rate": 0.25, "semantic_bottom_rate": 0.25, "bottom_rate": 0.5}
    return {
        "schema_version": "dose-seed-result/1",
        "seed": seed,
        "split": SPLIT,
        "candidates": [
            {
                "name": "rational",
                "tau_infer": 0.01 + seed,
                "tau_train": 0.1 + seed,
                "metrics": metrics | rates,
            },
            {"name": "plain", "metrics": metrics | rates | {"fp_cens": 0.25}},
        ],
    } | changed


def fill(folder: Path, *results: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for one in results:
        (folder / f"seed_{one['seed']}.json").write_text(json.dumps(one, indent=1))
    return folder


def test_writes_the_three_files(tmp_path: Path) -> None:
    folder = fill(tmp_path / "seeds", result(10), result(9))
    points = write_operating_points(folder, tmp_path / "out")
    written = tmp_path / "out" / "aggregated"
    assert sorted(path.name for path in written.iterdir()) == sorted([POINTS, SUMMARY, DIAGNOSTICS])
    record = json.loads((written / POINTS).read_text())
    assert record == points.model_dump(mode="json")
    assert record["seeds"] == [9, 10]
    assert record["operating_points"]["safety_first"]["candidate"] == "rational"
    assert [(o["seed"], o["candidate"], o["tau_infer"], o["tau_train"]) for o in record["observed_taus"]] == [
        (9, "plain", None, None),
        (9, "rational", 9.01, 9.1),
        (10, "plain", None, None),
        (10, "rational", 10.01, 10.1),
    ]
    assert record["splits"] == [{"seed": 9, "recipe": SPLIT}, {"seed": 10, "recipe": SPLIT}]
    assert record["bottom_cost"] == "fault_rate + 0.5 * semantic_bottom_rate"
    summary = (written / SUMMARY).read_text()
    for part in (
        "| safety_first | **rational** |",
        "0.3750 ± 0.0000",
        "by a hash of the id",
        "| 9 | 3 | 0.5 | given | 10 | 12 |",
        "| 10 | rational | 10.01 |",
    ):
        assert part in summary


def test_diagnostics_give_every_rank_seed_and_gap(tmp_path: Path) -> None:
    gap = result(1)
    del gap["candidates"][1]["metrics"]["macro_f1"]
    folder = fill(tmp_path / "seeds", result(0), gap)
    write_operating_points(folder)
    told = json.loads((folder / "aggregated" / DIAGNOSTICS).read_text())
    assert told["sources"][0]["sha256"] == hashlib.sha256((folder / "seed_0.json").read_bytes()).hexdigest()
    assert [one["candidate"] for one in told["rankings"]["accuracy_first"]] == ["rational", "plain"]
    assert told["rankings"]["accuracy_first"][1]["key"]["macro_f1"] is None
    assert {"candidate": "plain", "metric": "macro_f1", "seeds": [1]} in told["missing"]
    assert [(one["seed"], one["candidate"]) for one in told["per_seed"]] == [
        (0, "plain"),
        (0, "rational"),
        (1, "plain"),
        (1, "rational"),
    ]
    assert "- plain: macro_f1 is missing in seeds 1" in (folder / "aggregated" / SUMMARY).read_text()


@pytest.mark.parametrize(
    ("extreme", "warning"),
    [
        ({"fp_cens": 1.0, "fn_in": 0.0}, "fp_cens is 1: it accepts every censored sample"),
        (
            {"fault_rate": 1.0, "bottom_rate": 1.0, "fn_in": 0.0},
            "bottom_rate is 1: it answers nothing",
        ),
        ({"fp_cens": 0.999, "fn_in": 0.0}, None),
    ],
)
def test_a_choice_that_gates_nothing_or_everything_carries_a_warning(
    tmp_path: Path, extreme: dict[str, float], warning: str | None
) -> None:
    results = result(0), result(1)
    for one in results:
        one["candidates"][0]["metrics"] |= extreme
    folder = fill(tmp_path / "seeds", *results)
    point = write_operating_points(folder).operating_points[Preset.ACCURACY_FIRST]
    assert (point.candidate, point.warning) == ("rational", warning)
    record = json.loads((folder / "aggregated" / POINTS).read_text())
    assert record["operating_points"]["accuracy_first"]["warning"] == warning
    summary = (folder / "aggregated" / SUMMARY).read_text()
    assert (f"**rational**; warning: {warning}" in summary) == (warning is not None)


def test_without_a_recipe_the_record_says_so(tmp_path: Path) -> None:
    folder = fill(tmp_path / "seeds", result(0, split=None))
    assert write_operating_points(folder).splits == ()
    assert "No seed tells how" in (folder / "aggregated" / SUMMARY).read_text()


def test_equal_results_give_equal_bytes_whatever_the_order(tmp_path: Path) -> None:
    one = fill(tmp_path / "one", result(0), result(1))
    other = fill(tmp_path / "other", result(1), result(0))
    write_operating_points(one)
    write_operating_points(other)
    write_operating_points(other)  # again, over its own files
    for name in (POINTS, SUMMARY, DIAGNOSTICS):
        assert (one / "aggregated" / name).read_bytes() == (other / "aggregated" / name).read_bytes()


def metric(name: str, value: object) -> dict[str, Any]:
    bad = result(0)
    bad["candidates"][0]["metrics"][name] = value
    return bad


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (metric("fp_cens", 1.5), "candidates[0].metrics.fp_cens: input should be less than or equal to 1"),
        (metric("fp_cens", "0.1"), "candidates[0].metrics.fp_cens: input should be a valid number"),
        (metric("fp_cens", float("nan")), "candidates[0].metrics.fp_cens: input should be a valid number"),
        (metric("fp_cens", True), "candidates[0].metrics.fp_cens: input should be a valid number"),
        (metric("fp_cnes", 0.1), "candidates[0].metrics.fp_cnes: unknown key; did you mean fp_cens?"),
        (
            metric("bottom_rate", 0.1),
            "bottom_rate 0.1 cannot be the union",
        ),
        (result(0, schema_version="dose-seed-result/2"), "schema_version"),
        (result(0, candidates=[]), "candidates: tuple should have at least 1 item"),
        (result(0, candidates=result(0)["candidates"] * 2), "the candidate rational is there 2 times"),
        (
            result(0, split=SPLIT | {"ids": "guessed"}),
            "split.ids: input should be 'given', 'row_number_claimed' or 'row_number'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_and_key(tmp_path: Path, bad: dict[str, Any], words: str) -> None:
    folder = fill(tmp_path / "seeds", bad)
    with pytest.raises(DataError) as caught:
        write_operating_points(folder)
    assert words in caught.value.what
    assert "problems" not in caught.value.what
    assert str(caught.value.where).startswith(str(folder / "seed_0.json"))
    assert not (folder / "aggregated").exists()


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"seed": 0}, "seed: seed_0.json has the seed 0 too"),
        ({"candidates": result(1)["candidates"][:1]}, "candidates: plain is missing; seed_0.json has it"),
    ],
)
def test_seeds_that_do_not_go_together(tmp_path: Path, second: dict[str, Any], words: str) -> None:
    folder = fill(tmp_path / "seeds", result(0))
    (folder / "seed_1.json").write_text(json.dumps(result(1) | second))
    with pytest.raises(DataError) as caught:
        write_operating_points(folder)
    assert caught.value.what == words
    assert caught.value.where == str(folder / "seed_1.json")


def test_folders_without_results(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        write_operating_points(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no file is called seed_\*\.json"):
        write_operating_points(tmp_path)
    (tmp_path / "seed_0.json").write_text('{"seed": 0,\n')
    with pytest.raises(DataError, match="not YAML") as caught:
        write_operating_points(tmp_path)
    assert str(caught.value.where).startswith(f"{tmp_path / 'seed_0.json'}:2")
