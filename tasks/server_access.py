"""Does the Prefect server let this process in: asked once, before any flow starts, and told in our words.

Imports Prefect, which reads the environment then. A server's health, by which one that starts is waited for, is shown
to everybody and proves nothing.
"""

from __future__ import annotations

from http import HTTPStatus

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY

from invarlock.errors import StoreError

_REFUSING = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def ensure_access(api_url: str) -> None:
    """StoreError unless the Prefect server at ``api_url`` answers this process, with the password it has."""
    client = SyncPrefectClient(
        api_url, auth_string=PREFECT_API_AUTH_STRING.value(), api_key=PREFECT_API_KEY.value()
    )
    try:
        with client:
            client.api_version()
    except httpx.HTTPStatusError as error:
        raise _refused(HTTPStatus(error.response.status_code), api_url) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise StoreError(
            f"the Prefect server does not answer: {error}",
            where=api_url,
            fix="start it, or correct PREFECT_API_URL; without that variable a local one is started",
        ) from error
    except ValueError as error:  # no JSON: a page of something else
        raise _not_prefect("not what Prefect's version is", api_url) from error


def _refused(status: HTTPStatus, api_url: str) -> StoreError:
    if status not in _REFUSING:
        return _not_prefect(f"{status.value} {status.phrase}", api_url)
    return StoreError(
        f"the Prefect server does not let this process in: {status.value} {status.phrase}",
        where=api_url,
        fix="set PREFECT_API_AUTH_STRING to the user:password that the server has, in every shell and for the worker",
    )


def _not_prefect(answer: str, api_url: str) -> StoreError:
    return StoreError(
        f"what answers for the Prefect server is none, or is ill: {answer}",
        where=api_url,
        fix="correct PREFECT_API_URL, which ends in /api, or read the server's log",
    )
