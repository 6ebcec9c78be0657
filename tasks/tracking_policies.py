"""The policy registry in MLflow: one registered model, whose versions are the policies that were put in force.

An index only: the files with their hash chain are the truth (``invarlock.promotion.history``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from tasks.tracking import Tracker
from tasks.tracking_records import RunHandle
from tasks.tracking_store import explained

EXPERIMENT = "invarlock promotion"
POLICY = "invarlock-policy"
LIVE = "live"
ENTRY = "history_sha256"  # the parameter of a version's run that names its history entry
FOLDER = "policy"  # of a run's artifacts: what its version holds


def policy_version(tracker: Tracker, run: RunHandle, description: str, tags: Mapping[str, str]) -> str:
    """The version whose files are those of ``run``, made unless it is there. To be called by one at a time."""
    with explained(tracker.uri):
        client = tracker.client
        if not client.search_registered_models(f"name = '{POLICY}'"):
            client.create_registered_model(POLICY, description="Tier policies that were put in force.")
        found = client.search_model_versions(f"name = '{POLICY}' and run_id = '{run.run_id}'")
        if found:
            return str(found[0].version)
        source = f"runs:/{run.run_id}/{FOLDER}"
        made = client.create_model_version(
            POLICY, source, run_id=run.run_id, tags=dict(tags), description=description
        )
        return str(made.version)


def registered_entries(tracker: Tracker) -> Mapping[str, str]:
    """Version to the hash of its history entry, as the version's run has it: its parameter, since tags can be changed.

    Empty text for a run without one. StoreError when a run is gone.
    """
    with explained(tracker.uri):
        search = partial(tracker.client.search_model_versions, f"name = '{POLICY}'")
        page = search()
        versions = list(page)
        while page.token:
            page = search(page_token=page.token)
            versions.extend(page)
    params = {str(version.version): tracker.look_up(version.run_id)[1] for version in versions}
    return {version: found.get(ENTRY, "") for version, found in params.items()}


def set_live(tracker: Tracker, version: str) -> None:
    """Let the alias ``live`` name ``version``."""
    with explained(tracker.uri):
        tracker.client.set_registered_model_alias(POLICY, LIVE, version)


def policy_url(tracker: Tracker, version: str) -> str:
    """The version's page in the UI."""
    base = tracker.run_url("").partition("/#/")[0]
    return f"{base}/#/models/{POLICY}/versions/{version}"
