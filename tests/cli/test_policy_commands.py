from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from invarlock.cli.policy import app
from invarlock.errors import PolicyError
from invarlock.home import shipped
from invarlock.policy.catalog import catalog
from invarlock.policy.resolution import resolve_policy
from invarlock.policy.schema import TierPolicy

SHIPPED = str(shipped("configs/runtime/tiers.yaml"))


def printed(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def failure(*arguments: str) -> PolicyError:
    # The main command turns the error into its text and exit code.
    result = CliRunner().invoke(app, list(arguments))
    assert isinstance(result.exception, PolicyError)
    assert result.exception.exit_code == 2
    return result.exception


@pytest.fixture
def config(tmp_path: Path) -> Path:
    text = shipped("configs/calibration/null_sweep_demo.yaml").read_text()
    path = tmp_path / "sweep.yaml"
    path.write_text(text.replace("name: noop", "name: quant_rtn") + "guards:\n  spectral: {max_caps: 7}\n")
    return path


def test_show_prints_what_a_run_would_use(config: Path) -> None:
    shown = json.loads(
        printed("show", "--tier", "conservative", "--profile", "release", "--config", str(config), "--json")
    )
    guards = TierPolicy.model_validate({"spectral": {"max_caps": 7}})
    resolved = resolve_policy("conservative", profile="release", edit="quant_rtn", guards=guards)
    assert shown == json.loads(json.dumps(resolved.as_report()))
    assert shown["resolved_policy"]["rmt"]["deadband"] == 0.15


def test_show_names_the_source_of_each_value(config: Path) -> None:
    lines = printed("show", "--profile", "release", "--config", str(config)).splitlines()
    expected = {
        "spectral.max_caps": "config",
        "rmt.deadband": "edit:quant_rtn",
        "variance.max_calib": "profile:release",
        "rmt.margin": "tiers.yaml",
        "variance.clamp.min": "built-in",
    }
    rows = {key: next(line for line in lines if key in line) for key in expected}
    assert {key: row.split("│")[-2].strip() for key, row in rows.items()} == expected
    guards = TierPolicy.model_validate({"spectral": {"max_caps": 7}})
    digest = resolve_policy("balanced", profile="release", edit="quant_rtn", guards=guards).digest
    assert f"policy digest {digest}" in lines[-1]


def test_diff_of_a_patch(tmp_path: Path) -> None:
    patch = tmp_path / "tiers_patch_spectral_null.yaml"
    patch.write_text("balanced: {spectral_guard: {family_caps: {attn: 1.509}}}\n")
    [change] = json.loads(printed("diff", SHIPPED, str(patch), "--json"))
    assert change["path"] == "balanced.spectral_guard.family_caps.attn"
    table = printed("diff", SHIPPED, str(patch))
    for part in ("family_caps.attn", "3.018", "1.509", "-50.0%", "tightening", "calibrated"):
        assert part in table


def test_diff_of_equal_files() -> None:
    assert "No difference." in printed("diff", SHIPPED, SHIPPED)
    assert json.loads(printed("diff", SHIPPED, SHIPPED, "--json")) == []


def test_validate_accepts_the_shipped_file() -> None:
    assert "valid, 126 values for balanced, conservative, aggressive" in printed("validate", SHIPPED)


def test_validate_names_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "tiers.yaml"
    file.write_text("balanced:\n  spectral_guard:\n    deadbnd: 0.1\n    max_caps: many\n")
    error = failure("validate", str(file))
    assert error.where == f"{file}:3:5"
    assert (
        "line 3, column 5: balanced.spectral_guard.deadbnd: unknown key; did you mean deadband?" in error.what
    )
    assert 'max_caps: input should be a valid integer, not "many"' in error.what


def test_validate_of_no_file_is_an_error(tmp_path: Path) -> None:
    assert "No such file" in failure("validate", str(tmp_path / "none.yaml")).what


def test_keys_lists_the_catalog() -> None:
    listed = json.loads(printed("keys", "--json"))
    assert [entry["key"] for entry in listed] == [entry.file_key for entry in catalog().values()]
    table = printed("keys")
    assert all(entry.file_key in table for entry in catalog().values())
    assert printed("keys", "--markdown").startswith("# Policy keys")


@pytest.mark.parametrize("command", [[], ["show"], ["diff"], ["validate"], ["keys"]])
def test_help_has_an_example(command: list[str]) -> None:
    text = printed(*command, "--help")
    assert "Example" in text or not command
