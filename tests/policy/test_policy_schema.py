from __future__ import annotations

import math

import pytest
from pydantic import JsonValue, ValidationError

from invarlock.families import Family
from invarlock.policy.schema import Scope, SpectralPolicy, TierPolicy


def test_caps_may_be_spelled_with_kappa() -> None:
    policy = SpectralPolicy.model_validate({"family_caps": {"ffn": {"kappa": 3}, "other": 2.5}})
    assert policy.family_caps == {Family.FFN: 3.0, Family.OTHER: 2.5}


def test_whole_numbers_are_fine_for_real_ones_and_spell_the_same() -> None:
    whole = TierPolicy.model_validate({"rmt": {"margin": 2}})
    assert whole.model_dump_json() == TierPolicy.model_validate({"rmt": {"margin": 2.0}}).model_dump_json()


def test_one_tap_pattern_is_a_list_of_one() -> None:
    policy = TierPolicy.model_validate({"variance": {"tap": "a.*.b"}})
    assert policy.variance.tap == ("a.*.b",)


def test_given_holds_only_the_keys_that_were_given() -> None:
    given: dict[str, JsonValue] = {"spectral": {"max_spectral_norm": None, "multiple_testing": {"m": 6}}}
    assert TierPolicy.model_validate(given).given() == given


def test_a_policy_without_tau_records_is_spelled_as_before_there_were_any() -> None:
    assert "tau" not in TierPolicy().model_dump(mode="json")
    assert (
        TierPolicy.model_validate({"tau": {"heads": {}}}).model_dump_json() == TierPolicy().model_dump_json()
    )
    record = {"tau_infer": 0.1, "gate_dtype": "float32"}
    kept = TierPolicy.model_validate({"tau": {"heads": {"h": record}}})
    assert kept.model_dump(mode="json")["tau"] == {"heads": {"h": {**record, "tau_train": None}}}


def test_scope_covers_all_or_one_family() -> None:
    assert all(Scope.ALL.covers(family) for family in Family)
    assert [family for family in Family if Scope.FFN.covers(family)] == [Family.FFN]


@pytest.mark.parametrize(
    "bad",
    [
        {"spectral": {"deadband": True}},
        {"spectral": {"deadband": "0.1"}},
        {"spectral": {"deadband": 0}},  # it divides
        {"spectral": {"deadband": math.nan}},
        {"spectral": {"family_caps": {"ffn": math.inf}}},
        {"spectral": {"family_caps": {"ffn": -1}}},
        {"spectral": {"family_caps": {"ffn": {"kappa": 1, "alpha": 2}}}},
        {"spectral": {"family_caps": {"mlp": 1}}},
        {"spectral": {"max_caps": 2.5}},
        {"spectral": {"max_caps": True}},
        {"spectral": {"max_spectral_norm": 0}},
        {"spectral": {"scope": "mlp"}},
        {"spectral": {"multiple_testing": {"method": "holm"}}},
        {"spectral": {"multiple_testing": {"alpha": 0}}},
        {"spectral": {"multiple_testing": {"m": 0}}},
        {"spectral": {"drift_caps": {"ffn": {"sigma": 1}}}},
        {"rmt": {"epsilon_by_family": {"ffn": -0.01}}},
        {"tau": {"heads": {"a.b": {}}}},  # a dot parts the names of a path
        {"tau": {"heads": {"1e5": {}}}},
        {"tau": {"heads": {"h": {"tau_infer": 0, "gate_dtype": "float32"}}}},
        {"tau": {"heads": {"h": {"tau_infer": 0.1}}}},  # in which dtype?
        {"tau": {"heads": {"h": {"tau_infer": 0.1, "gate_dtype": "int8"}}}},
        {"tau": {"heads": {"h": {"tau_infer": 0.2, "tau_train": 0.1, "gate_dtype": "float32"}}}},
        {"tau": {"heads": {"h": {"tau_train": 0.1}}}},
        {"tau": {"heads": {"h": {"tau": 0.1}}}},
        {"metrics": {"pm_ratio": {"ratio_limit_base": 0.9}}},
        {"metrics": {"pm_tail": {"mode": False}}},
        {"metrics": {"pm_tail": {"quantile": 1}}},
        {"variance": {"predictive_gate": 1}},
        {"variance": {"clamp": {"min": 1.1}}},
        {"variance": {"tap": []}},
        {"spectral_guard": {}},
    ],
)
def test_refuses(bad: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        TierPolicy.model_validate(bad)
