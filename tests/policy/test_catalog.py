from __future__ import annotations

import pytest

from invarlock.home import shipped
from invarlock.policy.catalog import catalog, entry_in_file, entry_of
from invarlock.policy.key_document import key_document
from invarlock.policy.keys import Kind
from invarlock.policy.resolution import resolve_policy
from invarlock.policy.schema import Tier
from invarlock.policy.tree import flatten


def test_the_catalog_has_every_leaf_of_a_policy_and_no_other() -> None:
    leaves = flatten(resolve_policy("balanced").policy.model_dump(mode="json"))
    leaves.pop("spectral.drift_caps")  # null: its keys appear when it is set
    covered = {entry_of(path).path for path in leaves}
    drift = {path for path in catalog() if path.startswith("spectral.drift_caps.*.")}
    tau = {path for path in catalog() if path.startswith("tau.heads.*.")}  # these when a head has a record
    assert covered | drift | tau == set(catalog())
    assert (len(drift), len(tau)) == (3, 3)


def test_every_key_says_what_it_controls_and_where_it_is_seen() -> None:
    for entry in catalog().values():
        assert len(entry.controls) > 15, entry.path
        assert entry.evidence, entry.path


def test_what_sweeps_may_change() -> None:
    by_sweep = {path: entry.key.sweep for path, entry in catalog().items() if entry.key.sweep}
    assert by_sweep == {
        "spectral.family_caps.*": "null-sweep",
        "spectral.multiple_testing.alpha": "null-sweep",
        "spectral.drift_caps.*.log_sigma": "null-sweep",
        "spectral.drift_caps.*.relative_change": "null-sweep",
        "spectral.drift_caps.*.edit_edge": "null-sweep",
        "rmt.epsilon_by_family.*": "rmt-sweep",
        "variance.min_effect_lognll": "ve-sweep",
        "tau.heads.*.tau_infer": "tau-sweep",
        "tau.heads.*.tau_train": "tau-sweep",
        "tau.heads.*.gate_dtype": "tau-sweep",
    }
    assert all(catalog()[path].key.kind is Kind.CALIBRATED for path in by_sweep)


@pytest.mark.parametrize("path", ["spectral.nothing", "family_caps.ffn", "spectral.family_caps", "rmt"])
def test_what_is_no_key_has_no_entry(path: str) -> None:
    with pytest.raises(KeyError):
        entry_of(path)


def test_built_in_values_are_those_of_the_tier() -> None:
    assert entry_of("rmt.margin").built_in(Tier.CONSERVATIVE) == 1.3
    assert entry_of("spectral.family_caps.ffn").built_in(Tier.AGGRESSIVE) == {
        "ffn": 3.849,
        "attn": 3.5,
        "embed": 2.5,
        "other": 3.5,
    }


def test_the_document_is_up_to_date() -> None:
    document = shipped("configs").parent / "docs" / "policy-keys.md"
    assert document.read_text() == key_document(), (
        "run: invarlock policy keys --markdown > docs/policy-keys.md"
    )


def test_an_entry_is_found_by_the_file_s_spelling() -> None:
    for entry in catalog().values():
        assert entry_in_file(entry.file_key.replace("*", "ffn")) is entry
    with pytest.raises(KeyError):
        entry_in_file("spectral_guard.margin")
