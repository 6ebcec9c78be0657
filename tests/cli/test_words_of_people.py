"""Names, reasons and paths are printed as they were written: none of them is markup to the terminal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from invarlock.cli.promotion_view import show_result
from invarlock.policy.tiers_file import live_tiers_path
from invarlock.promotion.apply import apply_request
from invarlock.promotion.backtest import BackTest
from invarlock.promotion.candidate import PATCH
from invarlock.promotion.checked import keep_checks, last_checked
from invarlock.promotion.policy_checks import PolicyCheck
from invarlock.promotion.promotion_config import PromotionConfig
from invarlock.promotion.promotion_result import PromotionResult
from invarlock.promotion.request_promotion import request_promotion
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import PromotionRequest, State
from invarlock.promotion.sweep_patch import parse_sweep_patch
from tests.cli.run_cli import Ran, run_cli
from tests.promotion.config_root import embedded_root, epsilon, sweep_patch

ANN, BEA, CLEO = "ann[/red]", r"bea\[bold]x[/]", "[/]cleo[link=file:///x]"
WHY = ":bomb: [red]as[/bold] it is\\"
PASSED = PolicyCheck(name="valid policy", passed=True, reason="[/green] passes")
Run = Callable[..., Ran]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Below folders that are a closing tag together: ``x[/red]``."""
    return embedded_root(tmp_path / "x[" / "red]", monkeypatch)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], root: Path) -> Run:
    return lambda *arguments: run_cli(capfd, *arguments)


@pytest.fixture
def request_(root: Path) -> PromotionRequest:
    request = request_promotion(
        parse_sweep_patch(sweep_patch(root, epsilon(0.02)), PATCH),
        mlflow_run_id="run[/]",
        requester=ANN,
        reason=WHY,
        allow_large=WHY,
        created_at=datetime.now(UTC),
        root=root,
    )
    keep_checks(request, (), [PASSED], BackTest(evaluations=()), by=CLEO, at=request.created_at, root=root)
    return request


def words(ran: Ran) -> str:
    assert ran.code == 0, ran.err
    return " ".join(ran.out.split())


def test_a_request_and_its_answers(run: Run, request_: PromotionRequest) -> None:
    for command in ("show", "diff"):
        assert "epsilon_by_family" in words(run("promote", command, request_.id))
    approved = run("promote", "approve", request_.id, "--reason", WHY, "--as", BEA)
    assert f"approved by {BEA}, until" in words(approved)
    shown = words(run("promote", "show", request_.id))
    for told in (ANN, BEA, CLEO, WHY, PASSED.reason, "run run[/] patch"):
        assert told in shown
    listed = words(run("promote", "list"))
    assert f"promotion by {ANN}: 1 loosening {WHY}" in listed
    rejected = run("promote", "reject", request_.id, "--reason", WHY, "--as", CLEO)
    assert f"rejected by {CLEO}. The change" in words(rejected)


def test_history(run: Run, request_: PromotionRequest, root: Path) -> None:
    run("promote", "approve", request_.id, "--reason", WHY, "--as", BEA)
    checked = last_checked(RequestStore(root), request_.id)
    now = datetime.now(UTC)
    apply_request(request_.id, checked, PromotionConfig(), by=CLEO, now=now, root=root)
    tiers = live_tiers_path(root)
    tiers.write_text(tiers.read_text() + "# edited\n")
    assert run("policy", "verify-history").code == 1
    assert "entry 2" in words(run("policy", "record-edit", "--reason", WHY, "--as", CLEO))
    history = words(run("policy", "history"))
    for told in (f"by {ANN}, approved by {BEA} {WHY}", f"by {CLEO} {WHY}"):
        assert told in history


def test_paths_values_and_errors(run: Run, root: Path) -> None:
    tiers = live_tiers_path(root)
    assert f"{tiers}: valid" in words(run("policy", "validate", tiers))
    other = root / "other.yaml"
    other.write_text('balanced: {variance_guard: {tap: ["[red]", "[/bold]"]}}\n')
    shown = words(run("policy", "diff", tiers, other))
    assert "[red]" in shown
    assert "[/bold]" in shown
    for command in (
        ("promote", "show", r"\[/red]"),
        ("policy", "validate", r"\[/red]"),
        ("measure", r"\[/red]"),
    ):
        refused = run(*command)
        assert (refused.code, r"\[/red]" in refused.err) == (2, True), refused.err


def test_links_of_a_promotion(capsys: pytest.CaptureFixture[str]) -> None:
    page = "http://x[/]/runs"
    show_result(
        PromotionResult(request_id="0" * 16, state=State.CHECKED, review=None, prefect_url=page), page
    )
    assert capsys.readouterr().out.count(page) == 2
