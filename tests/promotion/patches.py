"""Patches for tests: the text of one, and every patch that the sweeps may recommend, at random."""

from __future__ import annotations

import yaml
from hypothesis import strategies as st

from invarlock.families import Family
from invarlock.policy.schema import Tier

Values = dict[str, object]


def _some(keys: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[Values]:
    return st.fixed_dictionaries({}, optional=keys)


_POSITIVE = st.floats(0, 1e6, allow_subnormal=False) | st.integers(0, 9)
_LIMIT = _POSITIVE | st.none()
_SHARE = st.floats(1e-12, 0.999)
_BY_FAMILY = _some({family.value: _POSITIVE for family in Family})
_DRIFT = _some({"log_sigma": _LIMIT, "relative_change": _LIMIT, "edit_edge": _LIMIT})

_TIER = _some(
    {
        "spectral_guard": _some(
            {
                "family_caps": _BY_FAMILY,
                "multiple_testing": _some({"alpha": _SHARE}),
                "drift_caps": _some({family.value: _DRIFT for family in Family}) | st.none(),
            }
        ),
        "rmt_guard": _some({"epsilon_by_family": _BY_FAMILY}),
        "variance_guard": _some({"min_effect_lognll": _POSITIVE}),
    }
)

# What null-, VE and RMT sweeps may change, in any tiers (decision 0032).
PATCHES: st.SearchStrategy[Values] = _some({tier.value: _TIER for tier in Tier})


def patch_yaml(values: Values) -> str:
    """As the sweeps write it."""
    return yaml.safe_dump(values, sort_keys=False)
