"""A schedule that could not be kept is skipped; Prefect itself would run every one that was missed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar, cast

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Cancelled

P = ParamSpec("P")
T = TypeVar("T")

GRACE = timedelta(hours=1)  # a worker that was restarted, or another run of the same model


def on_time(flow: Callable[P, T]) -> Callable[P, T]:
    """The function of a flow, which ends as cancelled when its schedule is more than :data:`GRACE` past.

    Runs that somebody asked for are carried out however late.
    """

    @wraps(flow)
    def started(*args: P.args, **kwargs: P.kwargs) -> T:
        if late := _overdue():
            hours = round(late.total_seconds() / 3600, 1)
            state: State[None] = Cancelled(
                message=f"Skipped: {hours} hours late; the next one is on its schedule."
            )
            return cast(T, state)  # for Prefect a returned state is how the run ends
        return flow(*args, **kwargs)

    # Prefect looks the names of parameter types up where the function was written: here they are those of this file.
    started.__signature__ = signature(flow, eval_str=True)  # type: ignore[attr-defined]
    return started


def _overdue() -> timedelta | None:
    """How late a scheduled run is, when that is too late; never of one that is run again: a person asked for that."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None or not run.auto_scheduled or run.expected_start_time is None or run.run_count > 1:
        return None
    late = datetime.now(UTC) - run.expected_start_time
    return late if late > GRACE else None
