"""A patch that is bad by itself is told as that, with its place, before any server is started or MLflow is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from invarlock.promotion.sweep_patch import MOST_BYTES
from tests.cli.run_cli import run_cli
from tests.promotion.config_root import embedded_root, epsilon, header, sweep_patch

BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcd", "bcde", strict=True))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return embedded_root(tmp_path / "configs", monkeypatch)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("balanced: {rmt_guard: {epsilon_by_family: {ffn: .nan}}}\n", "should be a finite number, not NaN"),
        (BOMB, "b[0]: aliases are refused"),
        ("balanced: !!python/object/apply:os.system [ls]\n", "python/object/apply:os.system is refused"),
        ("balanced: {rmt_guard: {margin: 1.6}}\n", "no patch may change balanced.rmt_guard.margin"),
        ("balanced: {rmt_guard: {epsilon_by_family: {ffn: 0.01}}}\n", "the patch changes nothing"),
        ("# base: none\n" + "#" * MOST_BYTES, f"more than {MOST_BYTES:,} bytes are no patch"),
        ("# run: none\n\x00", "not YAML"),
    ],
    ids=["NaN", "bomb", "tag", "a fixed key", "nothing", "too long", "no text"],
)
def test_a_patch_that_says_nothing(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    patch = tmp_path / "patch.yaml"
    patch.write_text(header(root) + text)
    refused = run_cli(capfd, "promote", "request", patch, "--reason", "r", "--requester", "ann")
    assert (refused.code, told in refused.err) == (2, True), refused.err
    assert refused.err.count("aliases are refused") == (text == BOMB)
    assert "fix:" in refused.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["configs", "patch.yaml"]  # no home


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Recalibration", "under the name recalibration calibrations ask by themselves"),
        ("an\u034fn", "holds characters that nobody sees: U+034F"),
    ],
)
def test_a_name_that_nobody_has(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    patch = tmp_path / "patch.yaml"
    patch.write_bytes(sweep_patch(root, epsilon(0.02)))
    refused = run_cli(capfd, "promote", "request", patch, "--reason", "r", "--requester", name)
    assert (refused.code, told in refused.err) == (2, True), refused.err
    assert not (tmp_path / "home").exists()
