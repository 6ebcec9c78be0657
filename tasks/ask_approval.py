"""The approval form in Prefect's UI: a flow run of a deployment that is suspended until a person answers.

A suspended run is a row in the server's database and no process, so it outlives both server and worker; the answer has
a worker start the run again from its top, where it reads every answer that was given (decision 0114).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRunInput
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field

from invarlock.digests import digest_of
from invarlock.errors import PromotionError
from invarlock.promotion.approval import approve, draft_approval, reject
from invarlock.promotion.checked import Checked
from invarlock.promotion.promotion_config import PromotionConfig
from invarlock.promotion.requests import Request
from invarlock.promotion.review import Review
from invarlock.promotion.review_text import form_markdown, plain
from invarlock.promotion.reviewed import shown_review

_PATIENCE = timedelta(days=30)  # then Prefect fails the run; the request stays open
_MOST = 200  # entries in one answer of the server
_SIGNED = (
    "**This policy takes signed approvals**, which a form cannot give: approve with "
    "`invarlock promote approve {id} --reason WHY --sign KEY`. The form can reject.\n\n"
)


class Answer(RunInput):
    """What a person fills in. No field is filled in before: a resume without an answer must not count as one."""

    decision: Literal["approve", "reject"] = Field(description="What is to happen to the request.")
    name: str = Field(min_length=1, description="Who you are. Whoever requested it cannot approve it.")
    reason: str = Field(min_length=1, description="Why; it is kept in the history.")


def ask_approval(request: Request, checked: Checked, config: PromotionConfig) -> None:
    """Return once somebody has approved or rejected ``request`` in the form; until then the process ends here.

    Answers are bound to the request's hashes, to the checks that the form shows and to the rules that they were given
    under: other ones ask anew. One that does not count, such as a self-approval, is told in the next form.
    """
    bound_to = {"request": request.binding, "checks": checked.sha256, "rules": config}
    form = f"approval-{digest_of(bound_to)[:16]}"
    kept = {entry.key: entry for entry in _kept(form)}
    asked = sum(key.endswith("-schema") for key in kept)
    flaws = []
    for answer, at in _answers(kept, form, asked):
        flaw = _take(request, checked, answer, at, config)
        if flaw is None:
            return
        flaws.append(flaw)
    review = shown_review(request, checked)
    suspend_flow_run(
        wait_for_input=Answer.with_initial_data(description=_description(request, review, config, flaws)),
        key=f"{form}-{asked + 1}",
        timeout=round(_PATIENCE.total_seconds()),
    )


def _kept(form: str) -> list[FlowRunInput]:
    """Every form of this request that was shown in this run, and every answer."""
    with get_client(sync_client=True) as client:
        return client.filter_flow_run_input(UUID(flow_run.id), f"suspended-{form}-", _MOST, set())


def _answers(kept: dict[str, FlowRunInput], form: str, asked: int) -> Iterator[tuple[Answer, datetime]]:
    for number in range(1, asked + 1):
        given = kept.get(f"suspended-{form}-{number}-response")
        if given is not None:
            yield Answer.load_from_flow_run_input(given), given.created or datetime.now(UTC)


def _take(
    request: Request, checked: Checked, answer: Answer, at: datetime, config: PromotionConfig
) -> str | None:
    """Keep an answer with the request; gives why it does not count, None when it does."""
    try:
        if answer.decision == "reject":
            reject(request, by=answer.name, reason=answer.reason, at=at)
        else:
            said = {"by": answer.name, "reason": answer.reason}
            approve(
                draft_approval(request, checked, **said, at=at, config=config), config, now=datetime.now(UTC)
            )
    except PromotionError as error:
        return f"{error.what}. To mend it: {error.fix}" if error.fix else error.what
    return None


def _description(request: Request, review: Review, config: PromotionConfig, flaws: list[str]) -> str:
    told = f"**The last answer did not count:** {plain(flaws[-1])}\n\n" if flaws else ""
    signed = _SIGNED.format(id=request.id) if config.signatures.required else ""
    return f"{told}{signed}{form_markdown(review)}"
