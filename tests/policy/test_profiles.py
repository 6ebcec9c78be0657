from __future__ import annotations

from pathlib import Path

import pytest

from invarlock.errors import ConfigError
from invarlock.policy.profiles import Profile, load_profile, profile_files


@pytest.mark.parametrize(
    ("name", "windows", "replicates", "device", "guards"),
    [
        ("ci", 240, 1200, None, {}),
        ("ci_cpu", 120, 1200, "cpu", {}),
        ("release", 400, 3200, None, {"variance": {"max_calib": 320}}),
        ("dev", None, None, None, {}),
    ],
)
def test_shipped_profiles(
    name: str, windows: int | None, replicates: int | None, device: str | None, guards: dict[str, object]
) -> None:
    profile = load_profile(name)
    assert (profile.preview_n, profile.final_n) == (windows, windows)
    assert (profile.bootstrap_replicates, profile.device) == (replicates, device)
    assert profile.guards.given() == guards


def test_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'cii'") as caught:
        load_profile("cii")
    assert caught.value.fix == "use one of: ci, ci_cpu, dev, release"


@pytest.mark.parametrize("name", ["../tiers", "../../runtime/profiles/ci", ""])
def test_a_profile_is_a_name_not_a_path(name: str) -> None:
    with pytest.raises(ConfigError, match="no profile"):
        load_profile(name)


def test_a_config_root_adds_and_replaces_profiles(tmp_path: Path) -> None:
    folder = tmp_path / "runtime" / "profiles"
    folder.mkdir(parents=True)
    (folder / "ci.yaml").write_text("preview_n: 10\nfinal_n: 20\n")
    (folder / "night.yaml").write_text("preview_n: 30\n")
    assert load_profile("ci", tmp_path).final_n == 20
    assert sorted(profile_files(tmp_path)) == ["ci", "ci_cpu", "dev", "night", "release"]


def test_unknown_guard_key_in_a_profile_is_an_error_with_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "runtime" / "profiles"
    folder.mkdir(parents=True)
    (folder / "bad.yaml").write_text("preview_n: 10\nguards:\n  variance:\n    max_calb: 320\n")
    with pytest.raises(
        ConfigError, match=r"guards\.variance\.max_calb: unknown key; did you mean max_calib"
    ) as caught:
        load_profile("bad", tmp_path)
    assert caught.value.where == f"{folder / 'bad.yaml'}:4:5"


def test_guards_survive_being_written_and_read() -> None:
    # Written in full, the defaults of one tier would come back as overrides of every other.
    profile = load_profile("release")
    read_back = Profile.model_validate_json(profile.model_dump_json())
    assert read_back.guards.given() == {"variance": {"max_calib": 320}}
