"""Task results across runs: the one module that knows Prefect's cache.

Prefect's cache looks up a file and trusts it. Here a cached task returns a :class:`Reference` (hash, path,
size of a kept document) or several, and a hit counts only while the documents behind it still have those
hashes. A damaged or missing document, or a damaged cache entry, is removed before the lookup, so the task runs
again and puts a good one in its place. No lock is taken between processes: those of the measurement store
suffice.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.context import TaskRunContext
from prefect.filesystems import LocalFileSystem
from prefect.results import ResultStore

from invarlock.digests import digest_of
from invarlock.errors import StoreError
from invarlock.provenance import code_version
from invarlock.store.documents import Reference, References, read_document
from tasks.work_tally import counted

log = logging.getLogger(__name__)
P = ParamSpec("P")
Kept = TypeVar("Kept", Reference, References)


def cached_task(
    *, name: str, key: Sequence[str], run_name: str | None = None
) -> Callable[[Callable[P, Kept]], Task[P, Kept]]:
    """A Prefect task whose result is found again by any later run.

    Parameters
    ----------
    name: shown by Prefect, part of the key.
    key: parameters that decide the result: digests, records and plain JSON values. The others (a path, a
        label) must not change it. The product's code and the packages beside it are part of every key.
    run_name: template of the name of a run, such as ``"measure {label}"``.

    >>> @cached_task(name="measure weights", key=("model_digest", "contract_digest"))
    ... def measure_weights(folder: str, model_digest: str, contract_digest: str) -> Reference: ...
    """

    def decorate(function: Callable[P, Kept]) -> Task[P, Kept]:
        unknown = set(key) - set(inspect.signature(function).parameters)
        if unknown:
            raise ValueError(f"{function.__qualname__} has no parameter {', '.join(sorted(unknown))}")

        def trusted_key(context: TaskRunContext, arguments: Mapping[str, Any]) -> str:
            inputs = {parameter: arguments[parameter] for parameter in key}
            digest = digest_of({"code": code_version(), "task": name, "inputs": inputs})
            _remove_untrusted(context.result_store, digest)
            return digest

        return task(
            name=name,
            task_run_name=run_name,
            cache_policy=CacheKeyFnPolicy(cache_key_fn=trusted_key),
            result_serializer="json",
            cache_result_in_memory=False,
            persist_result=True,
        )(counted(function))

    return decorate


def _references_in(kept: Reference | References) -> tuple[Reference, ...]:
    """The handles that a cached task returned."""
    return (kept,) if isinstance(kept, Reference) else tuple(kept.items.values())


def _remove_untrusted(store: ResultStore, key: str) -> None:
    if not isinstance(store.result_storage, LocalFileSystem) or store.result_storage.basepath is None:
        raise StoreError(
            "task results are kept elsewhere than in a folder, where they cannot be verified",
            where="PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK",
            fix="unset it; set PREFECT_RESULTS_LOCAL_STORAGE_PATH instead",
        )
    entry = Path(store.result_storage.basepath) / key
    if not entry.exists():
        return
    try:
        record = store.read(key) if store.exists(key) else None
        # An entry that was copied from another key is as damaged as a torn one.
        if (
            record is None
            or Path(record.metadata.storage_key or "").name != key
            or not isinstance(record.result, Reference | References)
        ):
            raise StoreError("a cache entry is damaged", where=entry)
        for reference in _references_in(record.result):
            read_document(reference)
    except StoreError as error:
        log.warning("%s; the task runs again", error.what, extra={"path": error.where})
        entry.unlink(missing_ok=True)
