"""Flow runs that wait for an approval: started for a request, and told when somebody decides outside the UI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from invarlock.errors import StoreError
from tasks.artifacts import url_of

FLOW = "promote"
DEPLOYMENT = f"{FLOW}/on-request"
_OPEN = (StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED)
_PAGE = 200  # runs in one answer, which is the server's own limit


def start_waiting(request_id: str) -> str | None:
    """Let a worker carry the request on and wait for its approval; the run's page, None without a deployment.

    A run that is under way for the request is not started twice, also by two that ask at once.
    """
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound:
            return None
        runs = list(_runs(client, request_id, StateType))
        under_way = [run for run in runs if run.state_type in _OPEN]
        run = under_way[0] if under_way else _start(client, deployment.id, request_id, runs)
    return _page(run)


def tell_waiting(request_id: str, *, decision: str, name: str, reason: str) -> Sequence[str]:
    """Wake the runs that wait for this request, as the form does; gives their pages. StoreError without a server.

    What was decided is kept with the request already: a run that cannot be woken finds it when it is run again.
    """
    answer = {"decision": decision, "name": name, "reason": reason}
    woken = []
    try:
        with get_client(sync_client=True) as client:
            for run in list(_runs(client, request_id, [StateType.PAUSED])):  # a resumed one leaves the list
                # Refused, the server answers 200 and says so in the status.
                if client.resume_flow_run(run.id, run_input=answer).status is SetStateStatus.ACCEPT:
                    woken.append(_page(run))
    except httpx.HTTPError as error:
        raise StoreError(
            f"the Prefect server does not answer: {error}", fix="run `invarlock doctor`"
        ) from error
    return woken


def _start(client: SyncPrefectClient, deployment: UUID, request_id: str, ended: Sequence[FlowRun]) -> FlowRun:
    """The next run. Of all who ask for the one after the same last run, the server gives each the same."""
    times = {str(run.id): run.created.timestamp() for run in ended if run.created}
    return client.create_flow_run_from_deployment(
        deployment,
        parameters={"request_id": request_id},
        name=f"{FLOW} {request_id}",
        idempotency_key=f"{request_id} after {max(times, key=times.__getitem__, default='none')}",
    )


def _runs(client: SyncPrefectClient, request_id: str, states: Iterable[StateType]) -> Iterator[FlowRun]:
    """The deployment's runs for the request, in one of ``states``."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
    for offset in count(0, _PAGE):
        page = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
            flow_run_filter=FlowRunFilter(state=state),
            sort=FlowRunSort.ID_DESC,
            limit=_PAGE,
            offset=offset,
        )
        for run in page:
            if run.deployment_id and run.parameters.get("request_id") == request_id:
                yield run
        if len(page) < _PAGE:
            return


def _page(run: FlowRun) -> str:
    return url_of(run) or run.name
