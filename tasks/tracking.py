"""Runs in MLflow, through ``MlflowClient`` with explicit run ids (the fluent API leaves orphans behind).

Only the modules ``tracking*`` know MLflow. A run is found by its ``run_key``, so the same work is never
logged twice, and it is complete once it is FINISHED and its **seal** is there: a parameter (they cannot be
overwritten) with the hash of the SHA256SUMS artifact. A process killed before that leaves a run that the next
one continues; a complete one is left alone. The runs of a sweep's cells are in ``tracking_cells``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModelInput, Metric, Param, Run, RunStatus, RunTag
from mlflow.exceptions import MlflowException

from invarlock.digests import sha256_file, sha256_hex
from invarlock.errors import StoreError
from invarlock.files import locked
from tasks import checksums
from tasks.local_services import embedded_tracking_uri, mlflow_home, mlflow_ui_url
from tasks.tracking_inputs import dataset_input, model_input
from tasks.tracking_records import DatasetUse, ModelUse, RunHandle
from tasks.tracking_store import explained, prepare_tracking_store

RUN_KEY = "invarlock.run_key"
SEAL = "sha256_of_SHA256SUMS"
PARENT = "mlflow.parentRunId"
_MAX_PARAM = 6000
_PAGE = 1000  # runs in one answer of a search


class Tracker:
    """Writes and reads the runs of one experiment.

    Parameters
    ----------
    home: the embedded stores; ``$MLFLOW_TRACKING_URI`` points at another server.
    experiment: its name, made when there is none.
    """

    def __init__(self, home: Path, experiment: str) -> None:
        self.home = home
        self.uri = prepare_tracking_store(home)
        self.embedded = self.uri == embedded_tracking_uri(home)
        self.client = MlflowClient(tracking_uri=self.uri)
        self.experiment_id = self._experiment_id(experiment)
        self._model_inputs: dict[str, LoggedModelInput] = {}

    def sweep_run(
        self, run_key: str, name: str, params: Mapping[str, str], tags: Mapping[str, str]
    ) -> RunHandle:
        """The run of ``run_key``: made, continued after a kill, or found complete and left as it is.

        run_key: without quotes. params: text of at most 6000 characters each.
        """
        with self.exclusive(run_key), explained(self.uri):
            run = self._find(run_key)
            if run is None:
                all_tags = {**tags, RUN_KEY: run_key}
                run = self.client.create_run(self.experiment_id, tags=all_tags, run_name=name)
            elif not _is_complete(run):
                self.client.update_run(run.info.run_id, status="RUNNING")
        handle = _handle(run)
        self.log(handle, params=params)
        return handle

    def log(
        self,
        run: RunHandle,
        *,
        params: Mapping[str, str] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Everything in one call (at most 100 params and 100 tags). A complete run is left as it is.

        The same again changes nothing; another value of a param is an error.
        """
        if run.complete:
            return
        _check_lengths(params or {})
        # Stamped with the run's start: a continued run gives a metric again, not a second point of it.
        points = [Metric(name, value, run.started, 0) for name, value in (metrics or {}).items()]
        pairs = [Param(name, value) for name, value in (params or {}).items()]
        labels = [RunTag(name, value) for name, value in (tags or {}).items()]
        with explained(self.uri):
            self.client.log_batch(run.run_id, points, pairs, labels)

    def tag(self, run_id: str, name: str, value: str) -> None:
        """Say something of any run, also a complete one: tags are for people, nothing rests on them."""
        with explained(self.uri):
            self.client.set_tag(run_id, name, value)

    def log_inputs(self, run: RunHandle, dataset: DatasetUse, model: ModelUse) -> None:
        """Link the run to the text and the model that it was made from. A complete run is left as it is."""
        if run.complete:
            return
        if model.digest not in self._model_inputs:
            with self.exclusive(model.digest), explained(self.uri):
                self._model_inputs[model.digest] = model_input(self.client, self.experiment_id, model)
        used = self._model_inputs[model.digest]
        with explained(self.uri):
            self.client.log_inputs(run.run_id, datasets=[dataset_input(dataset)], models=[used])

    def finish(self, run: RunHandle, files: Mapping[str, Path | bytes]) -> RunHandle:
        """Log ``files`` (artifact path -> file or content), end the run as FINISHED and seal it.

        A run that is complete already is left as it is, whatever the files are now.
        """
        with self.exclusive(run.run_key), explained(self.uri):
            if not _is_complete(self.client.get_run(run.run_id)):
                with checksums.staged(files) as (folder, seal):
                    self.client.log_artifacts(run.run_id, str(folder))
                self.client.set_terminated(run.run_id, "FINISHED")
                self.client.log_batch(run.run_id, params=[Param(SEAL, seal)])
        return replace(run, complete=True)

    def param(self, run: RunHandle, name: str) -> str | None:
        """A parameter of the run, None when it has none of that name."""
        with explained(self.uri):
            value = self.client.get_run(run.run_id).data.params.get(name)
        return None if value is None else str(value)

    def look_up(self, run_id: str) -> tuple[str, Mapping[str, str]]:
        """Status, as MLflow spells it, and parameters of any run. StoreError when there is none of that id."""
        with explained(self.uri):
            run = self.client.get_run(run_id)
        return run.info.status, run.data.params

    def fail(self, run: RunHandle) -> None:
        """End the run as FAILED, unless it is complete by now; the next one with its key continues it."""
        with self.exclusive(run.run_key), explained(self.uri):
            if not _is_complete(self.client.get_run(run.run_id)):
                self.client.set_terminated(run.run_id, "FAILED")

    @contextmanager
    def failing(self, run: RunHandle) -> Iterator[None]:
        """End ``run`` as FAILED when the block does not end well. A complete run is left as it is."""
        done = False
        try:
            yield
            done = True
        finally:
            if not done and not run.complete:
                self.fail(run)

    def find_runs(self, tag: str, value: str) -> Sequence[RunHandle]:
        """The runs that carry ``tag`` with ``value``, newest first. Tags can be overwritten: nothing may rest on it."""
        with explained(self.uri):
            return [_handle(run) for run in self._search("tags", tag, value)]

    def find_by_param(self, name: str, value: str) -> Sequence[RunHandle]:
        """The runs whose parameter ``name``, which nobody can overwrite, is ``value``, newest first."""
        with explained(self.uri):
            return [_handle(run) for run in self._search("params", name, value)]

    def download_verified(self, run_id: str, path: str, folder: Path) -> Path:
        """Copy an artifact into ``folder``; StoreError unless its hash is the one under the seal."""
        return self._download(run_id, path, folder, self.sealed_files(run_id))

    def download_files(self, run_id: str, folder: Path, paths: Sequence[str] | None = None) -> None:
        """Copy ``paths``, else all that is under the seal, to the same paths below ``folder``; StoreError as above."""
        sealed = self.sealed_files(run_id)
        for path in sealed if paths is None else paths:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            self._download(run_id, path, target, sealed)

    def sealed_files(self, run_id: str) -> Mapping[str, str]:
        """Artifact path to hex SHA-256 of every file under the run's seal; StoreError when that does not hold."""
        where = f"run {run_id}: {checksums.FILE_NAME}"
        with explained(where), tempfile.TemporaryDirectory(prefix="invarlock-download-") as downloads:
            seal = self.client.get_run(run_id).data.params.get(SEAL)
            listing = self._fetch(run_id, checksums.FILE_NAME, downloads)
            if seal is None or sha256_file(listing) != seal:
                raise StoreError("the run's SHA256SUMS is not the one it was sealed with", where=where)
            return checksums.read_checksums(listing)

    def run_url(self, run_id: str) -> str:
        """The run's page in the UI (which ``invarlock up`` starts)."""
        page = f"{mlflow_ui_url(self.home)}/#/experiments/{self.experiment_id}/runs/{run_id}"
        return f"{page}?workflowType=machine_learning"  # else the UI opens among chat traces

    @contextmanager
    def exclusive(self, name: str) -> Iterator[Path]:
        """One at a time of those with this home that ask for ``name``; yields the file that is locked."""
        lock = mlflow_home(self.home) / "locks" / sha256_hex(name.encode())[:16]
        with locked(lock):
            yield lock

    def _download(self, run_id: str, path: str, place: Path, sealed: Mapping[str, str]) -> Path:
        where = f"run {run_id}: {path}"
        with explained(where), tempfile.TemporaryDirectory(prefix="invarlock-download-") as downloads:
            found = self._fetch(run_id, path, downloads)
            if not found.is_file() or sealed.get(path) != sha256_file(found):
                raise StoreError("an artifact was altered after its run was sealed", where=where)
            return Path(shutil.copy(found, place))

    def _fetch(self, run_id: str, path: str, folder: str) -> Path:
        """An artifact, copied into ``folder``. One that is gone is told as that: MLflow blames the path."""
        try:
            return Path(self.client.download_artifacts(run_id, path, folder))
        except MlflowException as error:
            parent = path.rpartition("/")[0] or None
            if path in (each.path for each in self.client.list_artifacts(run_id, parent)):
                raise
            raise StoreError(
                "an artifact of the run is missing",
                where=f"run {run_id}: {path}",
                fix="find out who removed it; bring it back from a copy, or make the run again",
            ) from error

    def _experiment_id(self, name: str) -> str:
        local = self.uri.startswith("sqlite:")
        artifacts = (mlflow_home(self.home) / "artifacts").as_uri() if local else None
        with self.exclusive(f"experiment {name}"), explained(self.uri):
            experiment = self.client.get_experiment_by_name(name)
            if experiment is None:
                return str(self.client.create_experiment(name, artifacts))
            return str(experiment.experiment_id)

    def _find(self, run_key: str) -> Run | None:
        runs = self._search("tags", RUN_KEY, run_key)
        return runs[-1] if runs else None

    def _search(self, field: str, name: str, value: str) -> list[Run]:
        if "'" in value or "`" in name:
            raise StoreError(f"{field} cannot be searched for {value!r}", where=name, fix="leave quotes out")
        query = f"{field}.`{name}` = '{value}'"
        search = partial(self.client.search_runs, [self.experiment_id], query, max_results=_PAGE)
        page = search()
        runs = list(page)
        while page.token:
            page = search(page_token=page.token)
            runs.extend(page)
        return runs


def _handle(run: Run) -> RunHandle:
    key = run.data.tags.get(RUN_KEY, "")
    return RunHandle(run.info.run_id, key, run.info.start_time, complete=_is_complete(run))


def _is_complete(run: Run) -> bool:
    return SEAL in run.data.params and run.info.status == RunStatus.to_string(RunStatus.FINISHED)


def _check_lengths(params: Mapping[str, str]) -> None:
    for name, value in params.items():
        if len(value) > _MAX_PARAM:
            raise StoreError(
                f"a parameter of {len(value)} characters would be cut to {_MAX_PARAM}",
                where=name,
                fix="log it as a file",
            )
