"""Only what a patch changes differs in the text; everything else is the same, byte for byte."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings

from invarlock.errors import PromotionError
from invarlock.home import shipped
from invarlock.policy.tiers_file import apply_patch, read_tiers
from invarlock.promotion.overlay import overlay
from tests.promotion.patches import PATCHES, Values, patch_yaml

SHIPPED = shipped("configs/runtime/tiers.yaml").read_text()
HERE = Path("tiers.yaml")

SHORT = """\
# Ours.
balanced:
  spectral_guard:
    family_caps:   # kappa
      ffn: 3.849   # of ffn
      other: 0.0

    multiple_testing: {method: bh, alpha: 0.05}   # error rate
  rmt_guard: {}
# --- the strict one
conservative:
  rmt_guard:
    margin: 1.3
    epsilon_by_family:
      attn: 0.01
aggressive: {spectral_guard: {drift_caps: , max_caps: 8}, variance_guard: {min_effect_lognll: 0.033}}   # end
"""
LIMITS = (
    "    drift_caps:   # limits\n      ffn: {log_sigma: 0.1, edit_edge: null}  # of ffn\n      attn: {}\n"
)

# The same policy as others may write it.
SPELLINGS = {
    "short": SHORT,
    "CRLF": SHORT.replace("\n", "\r\n"),
    "wide": re.sub(r"^( +)", r"\1\1", SHORT, flags=re.MULTILINE),
    "inline": yaml.safe_dump(yaml.safe_load(SHORT), default_flow_style=True, width=40),
    "no last line end": SHORT.partition("aggressive")[0] + "aggressive:\n  rmt_guard:\n    margin: 1.8",
    "with limits": SHORT.replace("    family_caps:", LIMITS + "    family_caps:"),
}


def laid_over(text: str, patch: str) -> str:
    base = read_tiers(text, HERE)
    return overlay(text, base.given(), apply_patch(base, read_tiers(patch, HERE)).given())


def changed_lines(text: str, patch: str) -> list[str]:
    lines = difflib.ndiff(text.splitlines(), laid_over(text, patch).splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_a_changed_value_is_the_only_difference_and_comments_keep_their_column() -> None:
    patch = "balanced: {spectral_guard: {multiple_testing: {alpha: 0.0475, method: bh, m: 4}}}"
    assert changed_lines(SHIPPED, patch) == [
        "-       alpha: 0.05                 # [calibrated: null-sweep] error rate of the correction",
        "+       alpha: 0.0475               # [calibrated: null-sweep] error rate of the correction",
    ]


def test_a_value_too_long_for_its_column_moves_the_comment_by_as_much() -> None:
    patch = "conservative: {variance_guard: {min_effect_lognll: 0.0012345678901}}"
    assert changed_lines(SHIPPED, patch)[1] == (
        "+     min_effect_lognll: 0.0012345678901 # [calibrated: ve-sweep]"
    )


def test_new_keys_follow_the_last_of_their_mapping() -> None:
    patch = "balanced: {spectral_guard: {drift_caps: {ffn: {log_sigma: 1.0e-5}, attn: {edit_edge: null}}}}"
    text = laid_over(SHIPPED, patch)
    new = "    drift_caps:\n      ffn:\n        log_sigma: 1.0e-05\n      attn:\n        edit_edge: null\n"
    after = "      m: 4                        # [policy] families counted\n"
    assert text == SHIPPED.replace(after, after + new, 1)


def test_values_in_the_same_mapping_and_one_around_it_end_up_in_their_own() -> None:
    text = "balanced:\n  rmt_guard:\n    epsilon_by_family:\n      ffn: 0.1  # last\n# end\n"
    patch = "balanced: {rmt_guard: {epsilon_by_family: {ffn: 0.2, attn: 0.3}, margin: 2}, metrics: {}}"
    assert laid_over(text, patch) == (
        "balanced:\n  rmt_guard:\n    epsilon_by_family:\n      ffn: 0.2  # last\n      attn: 0.3\n"
        "    margin: 2.0\n  metrics: {}\n# end\n"
    )


def test_limits_can_be_taken_away() -> None:
    text = SPELLINGS["with limits"]
    expected = text.replace(LIMITS, "    drift_caps: null   # limits\n")
    assert laid_over(text, "balanced: {spectral_guard: {drift_caps: null}}") == expected


@pytest.mark.parametrize(
    ("text", "patch", "expected"),
    [
        (
            "{balanced: {rmt_guard: {}}}",
            "balanced: {rmt_guard: {margin: 2}}",
            "{balanced: {rmt_guard: {margin: 2.0}}}",
        ),
        (
            "balanced: {rmt_guard: {margin: 1,}}",
            "balanced: {rmt_guard: {deadband: 2}}",
            "balanced: {rmt_guard: {margin: 1, deadband: 2.0,}}",
        ),
        (
            "balanced:\n  spectral_guard:\n    drift_caps:   # none\n",
            "balanced: {spectral_guard: {drift_caps: {}}}",
            "balanced:\n  spectral_guard:\n    drift_caps: {}   # none\n",
        ),
        (
            "balanced:\n  spectral_guard:\n    drift_caps: ~\n",
            "balanced: {spectral_guard: {drift_caps: {ffn: {edit_edge: 2}}}}",
            "balanced:\n  spectral_guard:\n    drift_caps:\n      ffn:\n        edit_edge: 2.0\n",
        ),
        (
            "balanced: {spectral_guard: {drift_caps: null}}",
            "balanced: {spectral_guard: {drift_caps: {ffn: {edit_edge: 2}}}}",
            "balanced: {spectral_guard: {drift_caps: {ffn: {edit_edge: 2.0}}}}",
        ),
        (
            "balanced:\n  metrics: {pm_tail: {mode: fail}}\n",
            "balanced: {metrics: {pm_tail: {mode: off}}}",
            'balanced:\n  metrics: {pm_tail: {mode: "off"}}\n',
        ),
        (
            "balanced:\n  variance_guard:\n    tap:\n    - a\n    - b  # two\n",
            "balanced: {variance_guard: {tap: [c]}}",
            "balanced:\n  variance_guard:\n    tap: [c]  # two\n",
        ),
        (
            '"balanced" :\n  "rmt_guard" :\n    margin  : !!float 2  # é𝒳\n',
            "balanced: {rmt_guard: {margin: 3}}",
            '"balanced" :\n  "rmt_guard" :\n    margin  : 3.0        # é𝒳\n',
        ),
    ],
)
def test_every_way_to_write_a_value(text: str, patch: str, expected: str) -> None:
    assert laid_over(text, patch) == expected


def test_a_key_without_a_colon_is_refused() -> None:
    with pytest.raises(PromotionError, match="drift_caps has no colon"):
        laid_over("balanced: {spectral_guard: {drift_caps}}", "balanced: {spectral_guard: {drift_caps: {}}}")


@pytest.mark.parametrize("spelling", SPELLINGS)
@settings(max_examples=15)
@given(values=PATCHES)
def test_any_patch_gives_its_policy_and_changes_nothing_else(spelling: str, values: Values) -> None:
    text, patch = SPELLINGS[spelling], patch_yaml(values)
    expected = apply_patch(read_tiers(text, HERE), read_tiers(patch, HERE))
    result = laid_over(text, patch)
    assert read_tiers(result, HERE).given() == expected.given()
    if spelling not in ("inline", "with limits"):
        nothing_but_values_differs(text, result)


@settings(max_examples=8)
@given(values=PATCHES)
def test_any_patch_of_the_shipped_file_changes_nothing_but_values(values: Values) -> None:
    nothing_but_values_differs(SHIPPED, laid_over(SHIPPED, patch_yaml(values)))


def nothing_but_values_differs(old: str, new: str) -> None:
    """Every old line is there in its order: key, comment and line end, and the value unless a patch replaced it."""
    rest = iter(new.splitlines(keepends=True))
    for line in old.splitlines(keepends=True):
        assert any(without_value(line) == without_value(other) for other in rest), line


def without_value(line: str) -> tuple[str, str]:
    code, _, comment = line.rstrip("\n").partition("#")
    return code.partition(":")[0], comment


@pytest.mark.parametrize("head", ["no", "null", "true", "dose-head-3", "A_b"])
@pytest.mark.parametrize("tier", ["balanced", "conservative", "aggressive"])
def test_a_head_keeps_its_name_whatever_yaml_makes_of_it(head: str, tier: str) -> None:
    record = {head: {"tau_infer": 1e-05, "tau_train": None, "gate_dtype": "float32"}}
    text = laid_over(SHORT, yaml.safe_dump({tier: {"tau_guard": {"heads": record}}}))
    assert yaml.safe_load(text)[tier]["tau_guard"]["heads"] == record
    other = {"b": {"tau_infer": 1.0, "gate_dtype": "bfloat16"}}
    again = laid_over(text, yaml.safe_dump({tier: {"tau_guard": {"heads": other}}}))
    assert set(yaml.safe_load(again)[tier]["tau_guard"]["heads"]) == {head, "b"}
