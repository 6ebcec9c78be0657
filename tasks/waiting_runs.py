"""Flow runs that wait for an approval: started for a request, and told when somebody decides outside the UI."""

from __future__ import annotations

from collections.abc import Sequence

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
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_UI_URL

from invarlock.errors import StoreError

FLOW = "promote"
DEPLOYMENT = f"{FLOW}/on-request"
_OPEN = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]


def start_waiting(request_id: str) -> str | None:
    """Let a worker carry the request on and wait for its approval; the run's page, None without a deployment.

    A run that is under way for the request is not started twice.
    """
    with get_client(sync_client=True) as client:
        try:
            deployment = client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound:
            return None
        found = _runs(client, request_id, _OPEN)
        run = (
            found[0]
            if found
            else client.create_flow_run_from_deployment(
                deployment.id, parameters={"request_id": request_id}, name=f"{FLOW} {request_id}"
            )
        )
    return _url(run)


def tell_waiting(request_id: str, *, decision: str, name: str, reason: str) -> Sequence[str]:
    """Wake the runs that wait for this request, as the form does; gives their pages. StoreError without a server.

    What was decided is kept with the request already: a run that cannot be woken finds it when it is run again.
    """
    answer = {"decision": decision, "name": name, "reason": reason}
    woken = []
    try:
        with get_client(sync_client=True) as client:
            for run in _runs(client, request_id, [StateType.PAUSED]):
                # Refused, the server answers 200 and says so in the status.
                if client.resume_flow_run(run.id, run_input=answer).status is SetStateStatus.ACCEPT:
                    woken.append(_url(run))
    except httpx.HTTPError as error:
        raise StoreError(
            f"the Prefect server does not answer: {error}", fix="run `invarlock doctor`"
        ) from error
    return woken


def _runs(client: SyncPrefectClient, request_id: str, states: list[StateType]) -> list[FlowRun]:
    runs = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states))),
    )
    return [run for run in runs if run.deployment_id and run.parameters.get("request_id") == request_id]


def _url(run: FlowRun) -> str:
    return f"{PREFECT_UI_URL.value()}/runs/flow-run/{run.id}"
