"""What the approval form shows above the changes is the product's own: nothing that people wrote is markup in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from invarlock.promotion.backtest import BackTest
from invarlock.promotion.checked import Checked, keep_checks
from invarlock.promotion.policy_checks import PolicyCheck
from invarlock.promotion.promotion_config import PromotionConfig
from invarlock.promotion.requests import PromotionRequest
from invarlock.promotion.reviewed import shown_review
from tasks.ask_approval import Answer, _description, _take
from tests.promotion.config_root import NOON, epsilon, requested, small_root

CONFIG = PromotionConfig()
PASSED = PolicyCheck(name="valid policy", passed=True, reason="the result passes the schema")
NAME = "**<img src=x onerror=alert(1)>** [ann](http://example.org)"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = small_root(tmp_path / "configs")
    monkeypatch.setenv("INVARLOCK_CONFIG_ROOT", str(root))
    return root


def put_before_people(root: Path, requester: str) -> tuple[PromotionRequest, Checked]:
    request = requested(root, epsilon(0.02), requester=requester)
    return request, keep_checks(
        request, (), [PASSED], BackTest(evaluations=()), by="flow", at=NOON, root=root
    )


def flaw(request: PromotionRequest, checked: Checked, name: str) -> str:
    answer = Answer(decision="approve", name=name, reason="seen")
    found = _take(request, checked, answer, datetime.now(UTC), CONFIG)
    assert found is not None
    return found


def test_the_name_of_whoever_answered_is_no_markup(root: Path) -> None:
    request, checked = put_before_people(root, NAME)
    told = flaw(request, checked, NAME)
    assert "four eyes" in told
    text = _description(request, shown_review(request, checked), CONFIG, [told])
    page = MarkdownIt("commonmark").enable("table").render(text)  # HTML in it stays HTML, as in the browser
    first, _, rest = page.partition("</p>")
    assert "&lt;img src=x onerror=alert(1)&gt;" in first
    assert first.count("<strong>") == 1  # the product's own
    assert "<img" not in page
    assert "<a " not in page
    assert "To mend it: have another person approve it" in first
    assert rest.index("balanced.rmt_guard.epsilon_by_family.ffn") < rest.index("1 check passed")
    assert "<h1>" not in page
    assert "<table>" not in page


@pytest.mark.parametrize("breaking", ["\n", "\r", "\r\n", "\x85", "\u2028", "\x0b"])
def test_a_name_cannot_add_a_line(root: Path, breaking: str) -> None:
    request, checked = put_before_people(root, "ann")
    told = flaw(request, checked, f"bea{breaking}{breaking}- `k` **0.01 → 0.0101** tightening")
    assert told.startswith("who approves is ")
    assert "tightening" not in told
