from __future__ import annotations

import hashlib
import json
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from invarlock.errors import ConfigError, PolicyError
from invarlock.policy.built_in import BUILT_IN
from invarlock.policy.resolution import Layer, ResolvedPolicy, replay_policy, resolve_policy
from invarlock.policy.schema import Tier, TierPolicy
from invarlock.policy.tiers_file import load_tiers
from invarlock.policy.tree import flatten, merge

LAYER_PROFILE = """\
guards:
  spectral: {sigma_quantile: 0.81}
  rmt: {deadband: 0.21}
  variance: {max_calib: 321}
"""
LAYER_CONFIG: dict[str, JsonValue] = {
    "spectral": {"sigma_quantile": 0.82},
    "rmt": {"deadband": 0.22},
    "variance": {"max_calib": 322},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    profiles = tmp_path / "runtime" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "layer.yaml").write_text(LAYER_PROFILE)
    (tmp_path / "runtime" / "tiers.yaml").write_text(
        "balanced:\n  spectral_guard: {sigma_quantile: 0.8}\n  rmt_guard: {deadband: 0.2}\n"
        "  variance_guard: {max_calib: 320}\nconservative: {rmt_guard: {margin: 2}}\n"
    )
    return tmp_path


def value_and_origin(resolved: ResolvedPolicy, path: str) -> tuple[JsonValue, Layer]:
    return flatten(resolved.policy.model_dump(mode="json"))[path], resolved.origins[path]


@pytest.mark.parametrize(
    ("path", "by_layer"),
    [
        ("spectral.sigma_quantile", {Layer.TIER: 0.8, Layer.PROFILE: 0.81, Layer.CONFIG: 0.82}),
        ("rmt.deadband", {Layer.TIER: 0.2, Layer.PROFILE: 0.21, Layer.EDIT: 0.15, Layer.CONFIG: 0.22}),
        ("variance.max_calib", {Layer.TIER: 320, Layer.PROFILE: 321, Layer.CONFIG: 322}),
    ],
)
@pytest.mark.parametrize("present", list(product([False, True], repeat=3)))
def test_the_strongest_layer_present_wins(
    root: Path, path: str, by_layer: dict[Layer, float], present: tuple[bool, bool, bool]
) -> None:
    profile, edit, config = present
    resolved = resolve_policy(
        "balanced",
        profile="layer" if profile else None,
        edit="quant_rtn" if edit else None,
        guards=TierPolicy.model_validate(LAYER_CONFIG) if config else None,
        root=root,
    )
    strongest_first = [
        (Layer.CONFIG, config),
        (Layer.EDIT, edit),
        (Layer.PROFILE, profile),
        (Layer.TIER, True),
    ]
    winner = next(layer for layer, there in strongest_first if there and layer in by_layer)
    assert value_and_origin(resolved, path) == (by_layer[winner], winner)


def test_shipped_edit_adjustment_and_profile_apply() -> None:
    resolved = resolve_policy("balanced", profile="release", edit="quant_rtn")
    assert value_and_origin(resolved, "rmt.deadband") == (0.15, Layer.EDIT)
    assert value_and_origin(resolved, "variance.max_calib") == (320, Layer.PROFILE)


def test_an_edit_without_adjustments_changes_nothing() -> None:
    assert resolve_policy("balanced", edit="noop") == resolve_policy("balanced")


def test_keys_left_out_of_the_file_are_built_in(root: Path) -> None:
    resolved = resolve_policy("conservative", root=root)
    assert value_and_origin(resolved, "rmt.margin") == (2.0, Layer.TIER)
    assert value_and_origin(resolved, "rmt.deadband") == (0.05, Layer.BUILT_IN)
    assert resolved.policy.metrics == BUILT_IN[Tier.CONSERVATIVE].metrics


@pytest.mark.parametrize("tier", list(Tier))
def test_every_leaf_has_an_origin(tier: Tier) -> None:
    resolved = resolve_policy(tier)
    assert set(resolved.origins) == set(flatten(resolved.policy.model_dump(mode="json")))
    assert set(resolved.origins.values()) == {Layer.TIER, Layer.BUILT_IN}


def test_caps_merge_family_by_family() -> None:
    guards = TierPolicy.model_validate({"spectral": {"family_caps": {"ffn": {"kappa": 2}}}})
    caps = resolve_policy("balanced", guards=guards).policy.spectral.family_caps
    assert {family.value: kappa for family, kappa in caps.items()} == {
        "ffn": 2.0,
        "attn": 3.018,
        "embed": 1.05,
        "other": 0.0,
    }


def test_a_config_can_set_drift_caps_and_take_them_away(root: Path) -> None:
    set_caps = TierPolicy.model_validate({"spectral": {"drift_caps": {"ffn": {"log_sigma": 0.1}}}})
    resolved = resolve_policy("balanced", guards=set_caps, root=root)
    assert value_and_origin(resolved, "spectral.drift_caps.ffn.log_sigma") == (0.1, Layer.CONFIG)
    assert value_and_origin(resolved, "spectral.drift_caps.ffn.edit_edge") == (None, Layer.BUILT_IN)

    tiers = root / "runtime" / "tiers.yaml"
    tiers.write_text("balanced: {spectral_guard: {drift_caps: {ffn: {log_sigma: 0.2}}}}\n")
    assert resolve_policy("balanced", root=root).origins["spectral.drift_caps.ffn.log_sigma"] == Layer.TIER
    no_caps = TierPolicy.model_validate({"spectral": {"drift_caps": None}})
    resolved = resolve_policy("balanced", guards=no_caps, root=root)
    assert value_and_origin(resolved, "spectral.drift_caps") == (None, Layer.CONFIG)


def test_overrides_replayed_on_the_tier_give_the_policy(root: Path) -> None:
    resolved = resolve_policy(
        "balanced",
        profile="layer",
        edit="quant_rtn",
        guards=TierPolicy.model_validate(LAYER_CONFIG),
        root=root,
    )
    assert [(o.path, o.value, o.source) for o in resolved.overrides] == [
        ("rmt.deadband", 0.21, "profile:layer"),
        ("spectral.sigma_quantile", 0.81, "profile:layer"),
        ("variance.max_calib", 321, "profile:layer"),
        ("rmt.deadband", 0.15, "edit:quant_rtn"),
        ("rmt.deadband", 0.22, "config"),
        ("spectral.sigma_quantile", 0.82, "config"),
        ("variance.max_calib", 322, "config"),
    ]
    replayed = flatten(resolve_policy("balanced", root=root).policy.model_dump(mode="json"))
    for override in resolved.overrides:
        replayed[override.path] = override.value
    assert replayed == flatten(resolved.policy.model_dump(mode="json"))


def test_an_auditor_recomputes_the_digest_from_the_report_alone() -> None:
    resolved = resolve_policy("conservative", profile="release", edit="quant_rtn")
    report = json.loads(json.dumps(resolved.as_report()))
    provenance = report["policy_provenance"]
    spelled = json.dumps(
        {"resolved_policy": report["resolved_policy"], "overrides": provenance["overrides"]}, sort_keys=True
    )
    sha256 = hashlib.sha256(spelled.encode()).hexdigest()
    assert provenance["policy_sha256"] == sha256
    assert provenance["policy_digest"] == sha256[:16]


def test_digest_changes_with_value_and_with_source(root: Path) -> None:
    plain = resolve_policy("balanced", root=root)
    assert resolve_policy("balanced", root=root) == plain
    restated = TierPolicy.model_validate({"rmt": {"deadband": 0.2}})
    assert resolve_policy("balanced", guards=restated, root=root).policy == plain.policy
    changed = TierPolicy.model_validate({"rmt": {"deadband": 0.3}})
    digests = {
        resolve_policy("balanced", guards=guards, root=root).digest for guards in (None, restated, changed)
    }
    assert len(digests) == 3


def test_resolved_policy_survives_being_written_and_read() -> None:
    resolved = resolve_policy("aggressive", profile="release", edit="quant_rtn")
    assert ResolvedPolicy.model_validate_json(resolved.model_dump_json()) == resolved


def test_unknown_tier_lists_those_of_the_file(root: Path) -> None:
    with pytest.raises(PolicyError, match="'aggressive'") as caught:
        resolve_policy("aggressive", root=root)
    assert caught.value.fix == "use one of: balanced, conservative"


def test_missing_tiers_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        resolve_policy("balanced", root=tmp_path)
    assert caught.value.where == str(tmp_path / "runtime" / "tiers.yaml")


def test_unknown_profile_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="'cii'"):
        resolve_policy("balanced", profile="cii")


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=1), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.text("abc", min_size=1, max_size=1), TREES, max_size=3)


@given(MAPPINGS, MAPPINGS)
def test_merge_keeps_every_leaf_of_the_layer_above(
    below: dict[str, JsonValue], above: dict[str, JsonValue]
) -> None:
    before = json.dumps([below, above])
    merged = flatten(merge(below, above))
    assert all(merged[path] == value for path, value in flatten(above).items() if value != {})
    assert json.dumps([below, above]) == before


@given(MAPPINGS, MAPPINGS, MAPPINGS)
def test_merge_is_associative_unless_a_leaf_replaces_a_mapping(
    first: dict[str, JsonValue], second: dict[str, JsonValue], third: dict[str, JsonValue]
) -> None:
    assert merge(first, {}) == first == merge({}, first)
    assert merge(merge(first, second), second) == merge(first, second)
    assert set(merge(merge(first, second), third)) == set(merge(first, merge(second, third)))


@pytest.mark.parametrize("present", list(product([False, True], repeat=3)))
def test_recorded_overrides_are_replayed_over_another_tiers_file(
    root: Path, present: tuple[bool, bool, bool]
) -> None:
    profile, edit, config = present
    layers = {
        "profile": "layer" if profile else None,
        "edit": "quant_rtn" if edit else None,
        "guards": TierPolicy.model_validate(LAYER_CONFIG) if config else None,
    }
    path = root / "runtime" / "tiers.yaml"
    resolved = resolve_policy("balanced", root=root, **layers)  # type: ignore[arg-type]
    assert replay_policy(load_tiers(path), path, Tier.BALANCED, resolved.overrides) == resolved
    path.write_text("balanced:\n  spectral_guard: {sigma_quantile: 0.7, max_caps: 2}\n")
    other = resolve_policy("balanced", root=root, **layers)  # type: ignore[arg-type]
    assert replay_policy(load_tiers(path), path, Tier.BALANCED, resolved.overrides) == other != resolved
