from __future__ import annotations

from pathlib import Path

import pytest

from invarlock.errors import PolicyError
from invarlock.home import shipped
from invarlock.policy.catalog import catalog
from invarlock.policy.diff import Change, Direction, diff_files
from invarlock.policy.keys import Kind

SHIPPED = shipped("configs/runtime/tiers.yaml")


def change_one(tmp_path: Path, key: str, old: str, new: str) -> tuple[Change, ...]:
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
    for file, value in ((before, old), (after, new)):
        names = key.split(".")
        file.write_text("balanced: " + "".join(f"{{{name}: " for name in names) + value + "}" * len(names))
    return diff_files(before, after)


# Each line is a fact about a gate: the change on it lets more through ("loosening"), or less.
@pytest.mark.parametrize(
    ("key", "old", "looser"),
    [
        ("spectral_guard.family_caps.ffn", "3.0", "3.5"),  # fewer candidates
        ("spectral_guard.multiple_testing.alpha", "0.05", "0.025"),  # fewer candidates become warnings
        ("spectral_guard.multiple_testing.m", "4", "5"),
        ("spectral_guard.multiple_testing.method", "bh", "bonferroni"),
        ("spectral_guard.max_caps", "3", "5"),
        ("spectral_guard.max_spectral_norm", "10", "null"),
        ("spectral_guard.max_spectral_norm", "10", "11"),
        ("spectral_guard.drift_caps.ffn.edit_edge", "1.5", "null"),
        ("spectral_guard.scope", "all", "ffn"),
        ("rmt_guard.epsilon_by_family.attn", "0.01", "0.02"),
        ("rmt_guard.margin", "1.5", "1.6"),
        ("metrics.pm_ratio.ratio_limit_base", "1.05", "1.1"),
        ("metrics.pm_ratio.min_tokens", "20000", "50000"),  # below it the gate does not bind
        ("metrics.pm_tail.mode", "fail", "warn"),
        ("metrics.pm_tail.mode", "warn", "off"),
        ("metrics.pm_tail.quantile", "0.95", "0.9"),
        ("metrics.accuracy.delta_min_pp", "-0.5", "-1.0"),
        ("metrics.sampling.min_windows", "180", "100"),
        ("variance_guard.min_effect_lognll", "0.016", "0.0"),
        ("variance_guard.predictive_gate", "true", "false"),
        ("variance_guard.predictive_one_sided", "false", "true"),
        ("variance_guard.max_adjusted_modules", "3", "0"),  # 0 is no limit
        ("variance_guard.max_adjusted_modules", "1", "2"),
        ("variance_guard.target", "baseline", "unit"),
        ("variance_guard.clamp.min", "0.85", "0.8"),
        ("variance_guard.clamp.max", "1.12", "1.2"),
    ],
)
def test_direction_of_a_change(tmp_path: Path, key: str, old: str, looser: str) -> None:
    [loosening] = change_one(tmp_path, key, old, looser)
    assert (loosening.path, loosening.direction) == (f"balanced.{key}", Direction.LOOSENING)
    [tightening] = change_one(tmp_path, key, looser, old)
    assert tightening.direction is Direction.TIGHTENING


@pytest.mark.parametrize(
    ("key", "old", "new"),
    [
        ("variance_guard.tap", "a", "b"),
        ("variance_guard.max_calib", "200", "300"),
        ("spectral_guard.scope", "ffn", "attn"),
    ],
)
def test_some_changes_do_neither(tmp_path: Path, key: str, old: str, new: str) -> None:
    [change] = change_one(tmp_path, key, old, new)
    assert change.direction is Direction.NEUTRAL


def test_relative_change_is_of_the_old_value(tmp_path: Path) -> None:
    def relative(old: str, new: str) -> float | None:
        [change] = change_one(tmp_path, "metrics.accuracy.delta_min_pp", old, new)
        return change.relative

    assert relative("-1.0", "-0.5") == pytest.approx(0.5)
    assert relative("2.0", "1.0") == pytest.approx(-0.5)
    assert relative("0", "1.0") is None
    assert relative("1.0e-310", "1.0") is None  # no finite share


def test_a_patch_is_laid_over_the_base(tmp_path: Path) -> None:
    patch = tmp_path / "tiers_patch_spectral_null.yaml"
    patch.write_text(
        "conservative:\n  spectral_guard:\n    family_caps: {other: 2.1, attn: 2.6}\n"
        "    multiple_testing: {method: bonferroni, alpha: 0.0003125, m: 4}\n"
    )
    changes = diff_files(SHIPPED, patch)
    assert [(c.path, c.old, c.new, c.direction, c.kind) for c in changes] == [
        ("conservative.spectral_guard.family_caps.other", 2.8, 2.1, Direction.TIGHTENING, Kind.CALIBRATED),
        (
            "conservative.spectral_guard.multiple_testing.alpha",
            0.000625,
            0.0003125,
            Direction.LOOSENING,
            Kind.CALIBRATED,
        ),
    ]
    assert changes[0].relative == pytest.approx(-0.25)


def test_a_key_left_out_of_a_whole_file_is_its_built_in_value(tmp_path: Path) -> None:
    base, other = tmp_path / "tiers.yaml", tmp_path / "other.yaml"
    base.write_text("balanced: {rmt_guard: {margin: 1.8, deadband: 0.1}}\n")
    other.write_text("balanced: {rmt_guard: {deadband: 0.1}}\n")
    [change] = diff_files(base, other)
    assert (change.path, change.old, change.new) == ("balanced.rmt_guard.margin", 1.8, 1.5)


def test_a_tier_that_goes_away_shows(tmp_path: Path) -> None:
    base, other = tmp_path / "tiers.yaml", tmp_path / "other.yaml"
    base.write_text("balanced: {rmt_guard: {margin: 1.5}}\naggressive: {rmt_guard: {margin: 1.5}}\n")
    other.write_text("balanced: {rmt_guard: {margin: 1.5}}\n")
    changes = diff_files(base, other)
    assert {change.tier for change in changes} == {"aggressive"}
    assert all(change.new is None for change in changes)


def test_a_file_does_not_differ_from_itself() -> None:
    assert diff_files(SHIPPED, SHIPPED) == ()


def test_a_bad_patch_is_an_error(tmp_path: Path) -> None:
    patch = tmp_path / "tiers_patch_x.yaml"
    patch.write_text("balanced: {spectral_guard: {family_cap: {ffn: 1}}}\n")
    with pytest.raises(PolicyError, match="did you mean family_caps"):
        diff_files(SHIPPED, patch)


def test_every_key_has_a_direction_or_says_that_it_has_none() -> None:
    neutral = {path for path, entry in catalog().items() if entry.key.looseness(1) is None}
    assert neutral == {
        "variance.tap",
        "variance.max_calib",
        "tau.heads.*.tau_train",
        "tau.heads.*.gate_dtype",
    }


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        ("tau_infer: null", "tau_infer: 0.1", "tightening"),
        ("tau_infer: 0.1", "tau_infer: 0.05", "loosening"),
        ("tau_infer: 0.1", "tau_infer: null", "loosening"),
        ("tau_infer: 0.1", "tau_infer: 0.1, tau_train: 0.3", "neutral"),
    ],
)
def test_a_lower_tau_infer_loosens_and_none_most(tmp_path: Path, old: str, new: str, direction: str) -> None:
    old, new = ("{h: {gate_dtype: float32, " + keys + "}}" for keys in (old, new))
    [change] = change_one(tmp_path, "tau_guard.heads", old, new)
    assert (change.direction, change.path.rpartition(".")[0]) == (direction, "balanced.tau_guard.heads.h")


def test_the_first_record_of_a_head_tightens(tmp_path: Path) -> None:
    record = "{h: {tau_infer: 0.1, gate_dtype: float32}}"
    changes = change_one(tmp_path, "tau_guard.heads", "{}", record)
    assert [(change.new, change.direction) for change in changes] == [
        (0.1, "tightening"),
        ("float32", "neutral"),
    ]


def test_drift_caps_of_no_family_are_no_limit(tmp_path: Path) -> None:
    assert change_one(tmp_path, "spectral_guard.drift_caps", "null", "{}") == ()
