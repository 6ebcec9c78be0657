from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from invarlock.errors import PolicyError
from invarlock.home import shipped
from invarlock.policy.built_in import BUILT_IN
from invarlock.policy.catalog import catalog
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import apply_patch, live_tiers_path, load_tiers, read_tiers, tiers_digest
from invarlock.policy.tree import flatten, merge

SHIPPED = shipped("configs/runtime/tiers.yaml")

# The published defaults, balanced / conservative / aggressive (design page 6).
PUBLISHED = {
    "metrics.pm_ratio.ratio_limit_base": (1.10, 1.05, 1.20),
    "metrics.pm_ratio.min_tokens": (50000, 20000, 50000),
    "metrics.pm_ratio.hysteresis_ratio": (0.002, 0.002, 0.002),
    "metrics.pm_ratio.min_token_fraction": (0.01, 0.01, 0.01),
    "metrics.pm_tail.mode": ("warn", "warn", "warn"),
    "metrics.pm_tail.min_windows": (50, 50, 50),
    "metrics.pm_tail.quantile": (0.95, 0.95, 0.95),
    "metrics.pm_tail.quantile_max": (0.20, 0.12, 0.30),
    "metrics.pm_tail.epsilon": (0.0001, 0.0001, 0.0001),
    "metrics.pm_tail.mass_max": (1.0, 1.0, 1.0),
    "metrics.accuracy.delta_min_pp": (-1.0, -0.5, -2.0),
    "metrics.accuracy.min_examples": (200, 200, 200),
    "metrics.accuracy.hysteresis_delta_pp": (0.1, 0.1, 0.1),
    "metrics.accuracy.min_examples_fraction": (0.01, 0.01, 0.01),
    "variance_guard.deadband": (0.02, 0.03, 0.12),
    "variance_guard.min_abs_adjust": (0.012, 0.02, 0.012),
    "variance_guard.max_scale_step": (0.03, 0.015, 0.03),
    "variance_guard.min_effect_lognll": (0.0, 0.016, 0.033),
    "variance_guard.predictive_one_sided": (True, False, True),
    "variance_guard.topk_backstop": (1, 0, 1),
    "variance_guard.max_adjusted_modules": (1, 0, 0),
    "variance_guard.tap": (["transformer.h.*.mlp.c_proj"],) * 3,
    "variance_guard.predictive_gate": (True, True, True),
    "spectral_guard.sigma_quantile": (0.95, 0.90, 0.98),
    "spectral_guard.deadband": (0.10, 0.05, 0.15),
    "spectral_guard.scope": ("all", "ffn", "ffn"),
    "spectral_guard.max_caps": (5, 3, 8),
    "spectral_guard.max_spectral_norm": (None, None, None),
    "spectral_guard.family_caps.ffn": (3.849, 3.849, 3.849),
    "spectral_guard.family_caps.attn": (3.018, 2.6, 3.5),
    "spectral_guard.family_caps.embed": (1.05, 2.8, 2.5),
    "spectral_guard.family_caps.other": (0.0, 2.8, 3.5),
    "spectral_guard.multiple_testing.method": ("bh", "bonferroni", "bh"),
    "spectral_guard.multiple_testing.alpha": (0.05, 0.000625, 0.00078125),
    "spectral_guard.multiple_testing.m": (4, 4, 4),
    "rmt_guard.deadband": (0.10, 0.05, 0.15),
    "rmt_guard.margin": (1.5, 1.3, 1.8),
    "rmt_guard.epsilon_default": (0.01, 0.01, 0.01),
    "rmt_guard.epsilon_by_family.ffn": (0.01, 0.01, 0.01),
    "rmt_guard.epsilon_by_family.attn": (0.01, 0.01, 0.01),
    "rmt_guard.epsilon_by_family.embed": (0.01, 0.01, 0.01),
    "rmt_guard.epsilon_by_family.other": (0.01, 0.01, 0.01),
}
NOT_IN_THE_FILE = {
    "metrics.sampling.min_windows": (180, 220, 140),
    "metrics.sampling.min_bootstrap_replicates": (1200, 1500, 800),
    "variance.target": ("baseline", "baseline", "baseline"),
    "variance.clamp.min": (0.85, 0.85, 0.85),
    "variance.clamp.max": (1.12, 1.12, 1.12),
    "variance.max_calib": (200, 160, 240),
    "variance.calibration_windows": (8, 10, 6),
}


@pytest.mark.parametrize(("column", "tier"), enumerate(Tier))
def test_shipped_file_is_the_published_table(column: int, tier: Tier) -> None:
    entry = load_tiers(SHIPPED).entry(tier)
    assert flatten(entry.given()) == {key: values[column] for key, values in PUBLISHED.items()}


@pytest.mark.parametrize(("column", "tier"), enumerate(Tier))
def test_built_in_defaults_equal_the_shipped_file(column: int, tier: Tier) -> None:
    built_in = BUILT_IN[tier].model_dump(mode="json")
    in_file = load_tiers(SHIPPED).entry(tier).layer()
    assert merge(built_in, in_file) == built_in
    others = {path: value for path, value in flatten(built_in).items() if path not in flatten(in_file)}
    assert others == {path: values[column] for path, values in NOT_IN_THE_FILE.items()} | {
        "spectral.drift_caps": None
    }


def test_there_is_one_copy_of_the_tiers_file() -> None:
    top = SHIPPED.parents[2]
    folders = ("configs", "invarlock", "flows", "tasks", "deployments", "docs")
    assert [path for folder in folders for path in (top / folder).rglob("tiers.yaml")] == [SHIPPED]


def test_config_root_decides_which_file_is_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INVARLOCK_CONFIG_ROOT", raising=False)
    assert live_tiers_path() == SHIPPED
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(tmp_path))
    assert live_tiers_path() == tmp_path / "runtime" / "tiers.yaml"


def test_digest_is_of_the_bytes() -> None:
    assert tiers_digest(SHIPPED) == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()


def test_a_typo_is_named_with_line_column_and_key(tmp_path: Path) -> None:
    file = tmp_path / "tiers.yaml"
    text = SHIPPED.read_text().replace("sigma_quantile: 0.90", "sigma_quantle: 0.90")
    file.write_text(text)
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "sigma_quantle" in row)
    with pytest.raises(PolicyError) as caught:
        load_tiers(file)
    assert caught.value.what == (
        "conservative.spectral_guard.sigma_quantle: unknown key; did you mean sigma_quantile?"
    )
    assert caught.value.where == f"{file}:{line}:5"


def test_every_problem_is_listed(tmp_path: Path) -> None:
    file = tmp_path / "tiers.yaml"
    file.write_text("balancd: {}\nbalanced:\n  rmt_gaurd: {}\n  rmt_guard: {margin: .inf, deadband: true}\n")
    with pytest.raises(PolicyError) as caught:
        load_tiers(file)
    for part in (
        "did you mean balanced?",
        "did you mean rmt_guard?",
        "rmt_guard.margin",
        "rmt_guard.deadband",
    ):
        assert part in caught.value.what


@pytest.mark.parametrize("key", [entry.file_key.replace("*", "ffn") for entry in catalog().values()])
def test_every_key_of_the_catalog_can_be_set_in_the_file_and_is_checked(tmp_path: Path, key: str) -> None:
    file = tmp_path / "tiers.yaml"
    file.write_text(
        "balanced: " + "".join(f"{{{name}: " for name in key.split(".")) + "{}" + "}" * len(key.split("."))
    )
    with pytest.raises(PolicyError, match=rf"balanced\.{key}: input should be"):
        load_tiers(file)


def test_patch_changes_only_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "tiers_patch_x.yaml"
    file.write_text("balanced:\n  spectral_guard:\n    family_caps: {other: 1.5}\n")
    base = load_tiers(SHIPPED)
    patched = apply_patch(base, load_tiers(file))
    expected = flatten(base.given()) | {"balanced.spectral_guard.family_caps.other": 1.5}
    assert flatten(patched.given()) == expected


def test_patch_of_a_tier_that_the_base_lacks_is_refused(tmp_path: Path) -> None:
    base, patch = tmp_path / "tiers.yaml", tmp_path / "patch.yaml"
    base.write_text("balanced: {rmt_guard: {margin: 1.5}}\n")
    patch.write_text("aggressive: {rmt_guard: {margin: 1.5}}\n")
    with pytest.raises(PolicyError, match="aggressive"):
        apply_patch(load_tiers(base), load_tiers(patch))


def test_text_at_hand_is_read_like_the_file(tmp_path: Path) -> None:
    assert read_tiers(SHIPPED.read_text(), SHIPPED) == load_tiers(SHIPPED)
    with pytest.raises(PolicyError, match="marigin") as caught:
        read_tiers("balanced:\n  rmt_guard: {marigin: 1}\n", tmp_path / "patch.yaml")
    assert caught.value.where == f"{tmp_path / 'patch.yaml'}:2:15"


def test_taps_are_one_pattern_or_a_list_of_them() -> None:
    text = "balanced: {variance_guard: {tap: [a.*, b.*]}}\nconservative: {variance_guard: {tap: a.*}}\n"
    tiers = read_tiers(text, SHIPPED)
    assert tiers.balanced.variance_guard.tap == ("a.*", "b.*")
    assert tiers.conservative.variance_guard.tap == ("a.*",)
    with pytest.raises(PolicyError, match="tap"):
        read_tiers("balanced: {variance_guard: {tap: [1]}}\n", SHIPPED)
