"""What a patch must meet before people look at it; every check says what it found."""

from __future__ import annotations

from pathlib import Path

import pytest

from invarlock.errors import ConfigError, PromotionError
from invarlock.policy.diff import Change
from invarlock.policy.schema import Tier
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.promotion.policy_checks import PolicyCheck, check_policy, relaxed_by
from invarlock.promotion.promotion_config import (
    Limits,
    PromotionConfig,
    allowed_signers_path,
    load_promotion_config,
)
from invarlock.promotion.requests import PromotionRequest, RollbackRequest, request_id
from invarlock.promotion.runtime_files import RuntimeFiles
from invarlock.promotion.sweep_basis import Basis
from tests.promotion.config_root import NOON, requested, shipped_root
from tests.promotion.patches import Values

LIMITS = Limits()
NAMES = [
    "valid policy",
    "calibrated keys",
    "runs",
    "independent observations",
    "supported values",
    "movement",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return shipped_root(tmp_path)


def basis(sweep: str = "null-sweep", **fields: object) -> Basis:
    values: dict[str, object] = {
        "sweep": sweep,
        "tier": Tier.BALANCED,
        "n_runs": 8,
        "n_effective": 8,
        "statement": "8 runs.",
        "unsupported": {},
    }
    return Basis.model_validate(values | fields)


def caps(**values: float | None) -> Values:
    return {"balanced": {"spectral_guard": {"family_caps": values}}}


def checked(
    root: Path, values: Values, *bases: Basis, allow_large: str | None = None
) -> dict[str, PolicyCheck]:
    request = requested(root, values).model_copy(update={"allow_large": allow_large})
    return by_name(root, request, *bases)


def by_name(root: Path, request: PromotionRequest, *bases: Basis) -> dict[str, PolicyCheck]:
    checks = check_policy(RuntimeFiles.of(root), request, bases, LIMITS)
    return {check.name: check for check in checks}


def failed(checks: dict[str, PolicyCheck]) -> list[str]:
    return [name for name, check in checks.items() if not check.passed]


def test_a_sound_patch_passes_every_check_and_each_says_why(root: Path) -> None:
    checks = checked(root, caps(ffn=4.0, attn=2.9), basis())
    assert list(checks) == NAMES
    assert not failed(checks)
    assert all(check.reason for check in checks.values())
    assert checks["movement"].numbers == {
        "balanced.spectral_guard.family_caps.ffn": pytest.approx((4.0 - 3.849) / 3.849)
    }
    assert checks["runs"].numbers == {"floor": 5, "null-sweep balanced": 8}


def test_keys_that_no_sweep_of_the_run_recommends_are_refused(root: Path) -> None:
    epsilons: Values = {"balanced": {"rmt_guard": {"epsilon_by_family": {"ffn": 0.011}}}}
    checks = checked(root, epsilons, basis())
    assert "calibrated keys" in failed(checks)
    assert "balanced.rmt_guard.epsilon_by_family.ffn" in checks["calibrated keys"].reason
    assert not failed(checked(root, epsilons, basis("rmt-sweep")))
    other_tier: Values = {"conservative": {"spectral_guard": {"family_caps": {"ffn": 3.9}}}}
    assert "calibrated keys" in failed(checked(root, other_tier, basis()))
    assert not failed(checked(root, other_tier, basis(tier=Tier.CONSERVATIVE)))


@pytest.mark.parametrize(
    "patch", ["balanced: {spectral_guard: {max_caps: 9}}", "balanced: {rmt_guard: {margin: 9}}"]
)
def test_a_fixed_key_is_refused(root: Path, patch: str) -> None:
    checks = of_text(root, patch)
    assert failed(checks) == list(checks) == ["valid policy"]
    assert "no patch may change" in checks["valid policy"].reason


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ("balanced: {spectral_guard: {family_caps: {ffn: .nan}}}", "ffn"),
        ("balanced: {spectral_guard: {family_caps: {ffn: .inf}}}", "ffn"),
        ("balanced: {spectral_guard: {family_caps: {ffn: -1}}}", "ffn"),
        ("balanced: {spectral_guard: {family_caps: {ffn: '4'}}}", "ffn"),
        ("balanced: {spectral_guard: {multiple_testing: {alpha: 1.0}}}", "alpha"),
        ("balanced: {spectral_guard: {kappa: 4}}", "kappa"),
        ("balanced: !!python/object/apply:os.system ['true']", "tag"),
        ("balanced: &a {spectral_guard: {family_caps: {ffn: 4.0}}}\nconservative: *a", "alias"),
        ("balanced: [unclosed", "not YAML"),
        ("reckless: {}", "reckless"),
    ],
)
def test_what_is_no_policy_is_refused(root: Path, patch: str, reason: str) -> None:
    checks = of_text(root, patch)
    assert failed(checks) == list(checks) == ["valid policy"]
    assert reason in checks["valid policy"].reason


def of_text(root: Path, patch: str) -> dict[str, PolicyCheck]:
    """Checks of a request that holds ``patch``, which nobody could have asked for by the front door."""
    request = requested(root, caps(ffn=4.0))
    return by_name(root, request.model_copy(update={"patch": patch}), basis())


def test_the_floors_are_of_each_tier_that_changes(root: Path) -> None:
    few, many = basis(n_runs=4, n_effective=4), basis(tier=Tier.CONSERVATIVE, n_runs=80, n_effective=1)
    both: Values = {tier: caps(ffn=3.9)["balanced"] for tier in ("balanced", "conservative")}
    checks = checked(root, both, few, many)
    assert failed(checks) == ["runs", "independent observations"]
    assert checks["runs"].reason == "balanced has 4: at least 5"
    assert checks["independent observations"].reason == "balanced has 4; conservative has 1: at least 5"
    assert not failed(checked(root, caps(ffn=3.9), basis(), many))


def test_what_the_runs_do_not_support_may_tighten_and_loosens_only_with_a_reason(root: Path) -> None:
    weak = basis(unsupported={"spectral_guard.family_caps": "too few runs"})
    assert not failed(checked(root, caps(ffn=3.5), weak))
    checks = checked(root, caps(ffn=3.9), weak)
    assert failed(checks) == ["supported values"]
    assert "balanced.spectral_guard.family_caps.ffn: too few runs" in checks["supported values"].reason
    checks = checked(root, caps(ffn=3.9), weak, allow_large="first calibration")
    assert not failed(checks)
    assert "Allowed: first calibration" in checks["supported values"].reason
    alpha: Values = {"balanced": {"spectral_guard": {"multiple_testing": {"alpha": 0.045}}}}
    assert not failed(checked(root, alpha, weak))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (caps(ffn=4.812), "from 3.849 to 4.812 is relaxed by 25%"),
        (caps(other=0.1), "from 0.0 to 0.1 is relaxed without measure"),
        (caps(ffn=0.0), "from 3.849 to 0.0 lets nothing pass"),
        ({"balanced": {"spectral_guard": {"multiple_testing": {"alpha": 0.03}}}}, "relaxed by 40%"),
    ],
)
def test_large_movements_take_a_reason(root: Path, values: Values, told: str) -> None:
    checks = checked(root, values, basis())
    assert failed(checks) == ["movement"]
    assert told in checks["movement"].reason
    assert "--allow-large" in checks["movement"].reason
    assert not failed(checked(root, values, basis(), allow_large="the model changed"))


@pytest.mark.parametrize("values", [caps(ffn=4.811), caps(ffn=0.1), caps(attn=3.0)])
def test_small_loosening_and_any_tightening_but_to_0_pass(root: Path, values: Values) -> None:
    assert not failed(checked(root, values, basis()))


def test_a_limit_taken_away_is_relaxed_without_measure(root: Path) -> None:
    live = live_tiers_path(root)
    text = live.read_text()
    live.write_text(
        text.replace("    family_caps:", "    drift_caps: {ffn: {log_sigma: 0.2}}\n    family_caps:", 1)
    )
    gone: Values = {"balanced": {"spectral_guard": {"drift_caps": {"ffn": {"log_sigma": None}}}}}
    checks = checked(root, gone, basis())
    assert failed(checks) == ["movement"]
    assert "from 0.2 to null is relaxed without measure" in checks["movement"].reason
    assert checks["movement"].numbers == {"balanced.spectral_guard.drift_caps.ffn.log_sigma": None}


def test_min_effect_is_relaxed_when_lowered() -> None:
    [path, relative] = ["aggressive.variance_guard.min_effect_lognll", -0.5]
    change = Change.model_validate(
        {"tier": "aggressive", "path": path, "old": 0.032, "new": 0.016, "kind": "calibrated"}
        | {"direction": "loosening", "relative": relative}
    )
    assert relaxed_by(change) == 0.5


def test_a_rollback_must_be_a_policy_that_is_kept(root: Path) -> None:
    files = RuntimeFiles.of(root)
    live, other = files.live_sha256(), "0" * 64
    request = RollbackRequest(
        id=request_id(other, live, other, None, ("ann", "too loose")),
        change_sha256=other,
        base_sha256=live,
        after=other,
        requester="ann",
        reason="too loose",
        created_at=NOON,
        changes=(),
    )
    [check] = check_policy(files, request, (), LIMITS)
    assert not check.passed
    assert "is not kept" in check.reason


def test_the_config_has_defaults_and_is_read_beside_the_policy(root: Path) -> None:
    files = RuntimeFiles.of(root)
    assert load_promotion_config(files) == PromotionConfig()
    path = root / "runtime/promotion.yaml"
    path.write_text("promotion: {four_eyes: false, expires_days: 1, limits: {min_runs: 2}}")
    config = load_promotion_config(files)
    assert (config.four_eyes, config.expires_days, config.limits.min_runs) == (False, 1, 2)
    assert config.limits.min_effective == 5
    for text in (
        "promotion: {four_eyes: 'no'}",
        "promotion: {expires_days: 0}",
        "promotion: {two_eyes: true}",
    ):
        path.write_text(text)
        with pytest.raises(ConfigError):
            load_promotion_config(files)
    path.write_text("promotion: {signatures: {required: true}}")
    with pytest.raises(ConfigError, match="no allowed_signers says whose"):
        load_promotion_config(files)


@pytest.mark.parametrize("name", ["../../signers", "/etc/passwd", "../../../signers"])
def test_allowed_signers_outside_the_config_root_are_refused(root: Path, name: str) -> None:
    files = RuntimeFiles.of(root)
    (root / "runtime/promotion.yaml").write_text(f"promotion: {{signatures: {{allowed_signers: {name}}}}}")
    with pytest.raises(PromotionError, match="outside the config root"):
        allowed_signers_path(files, load_promotion_config(files))
