"""The embedded MLflow database: made by one process, wholly or not at all; MLflow's errors in our words."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from invarlock.errors import StoreError
from invarlock.files import locked
from tasks.local_services import embedded_tracking_uri, mlflow_home, tracking_uri

log = logging.getLogger(__name__)

_PREPARED = 1  # SQLite's user_version of a database whose creation was finished
_FILES = ("", "-journal", "-wal", "-shm")


def prepare_tracking_store(home: Path) -> str:
    """Make the embedded database unless it is there or another server is named; returns the tracking address.

    MLflow makes its tables on first use: two processes then disturb each other, and one that is killed leaves
    a database that no later one can open. So one process at a time, and an unfinished database is set aside.
    """
    uri = tracking_uri(home)
    if uri != embedded_tracking_uri(home):
        return uri
    database = mlflow_home(home) / "mlflow.db"
    with locked(mlflow_home(home) / "create.lock"):
        if database.exists() and not _was_prepared(database):
            log.warning("the MLflow database %s was left unfinished and is set aside", database)
            _set_aside(database)
        if not database.exists():
            with explained(uri):
                MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
            _mark_prepared(database)
    return uri


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn an MlflowException inside the block into a StoreError that names ``where``."""
    try:
        yield
    except MlflowException as error:
        if error.get_http_status_code() in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise StoreError(
                "the MLflow server does not let this process in",
                where=where,
                fix="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, in every shell and for the worker",
            ) from error
        raise StoreError(f"MLflow: {error.message}", where=where, fix="run `invarlock doctor`") from error


def _was_prepared(database: Path) -> bool:
    try:
        with closing(sqlite3.connect(database)) as connection:
            return bool(connection.execute("PRAGMA user_version").fetchone()[0] == _PREPARED)
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"the MLflow database cannot be read: {error}", where=database, fix="restore it or move it away"
        ) from error


def _mark_prepared(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        # With a write-ahead log a run takes a third of the time, and the UI reads while a sweep writes.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA user_version = {_PREPARED}")


def _set_aside(database: Path) -> None:
    # With its journals: SQLite would apply one that stays behind to the new database of that name.
    for suffix in _FILES:
        file = database.with_name(database.name + suffix)
        if file.exists():
            file.replace(file.with_name(f"unfinished-{file.name}"))
