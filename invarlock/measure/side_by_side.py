"""Forward passes side by side: on a CPU, a pass of one window leaves cores idle."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain, islice
from queue import SimpleQueue
from typing import TypeVar

import torch

from invarlock.measure.models import LoadedModel

J = TypeVar("J")
R = TypeVar("R")

_SIDE_BY_SIDE = 4  # passes at a time on a CPU: each holds its own logits, tokens x vocabulary


def side_by_side(model: LoadedModel, jobs: Sequence[J], run: Callable[[LoadedModel, J], R]) -> Iterator[R]:
    """What ``run`` makes of each job, as it ends. Of several that fail, the first in order is the one that is told.

    On a CPU up to four jobs run at a time, the cores shared between them. Each is given a :func:`twin` that no other
    uses meanwhile, so it may hang hooks on it.
    """
    if model.device_class != "cpu":
        yield from (run(model, job) for job in jobs)
        return
    cores = torch.get_num_threads()
    workers = min(cores, _SIDE_BY_SIDE)
    idle: SimpleQueue[LoadedModel] = SimpleQueue()
    for own in (model, *(twin(model) for _ in range(min(workers, len(jobs)) - 1))):
        idle.put(own)

    def run_on_an_idle_one(job: J) -> R:
        own = idle.get()
        try:
            return run(own, job)
        finally:
            idle.put(own)

    pool = ThreadPoolExecutor(workers)
    torch.set_num_threads(cores // workers)
    waiting = iter(jobs)
    in_flight: list[Future[R]] = []
    try:
        # Twice the workers: none idles while results are stored, and few finished passes are ever unstored.
        while True:
            for job in islice(waiting, 2 * workers - len(in_flight)):
                in_flight.append(pool.submit(run_on_an_idle_one, job))
            if not in_flight:
                return
            ended = wait(in_flight, return_when=FIRST_COMPLETED).done
            if any(_failed(future) for future in ended):
                ended = wait(in_flight).done
            done = [future for future in in_flight if future in ended]
            in_flight = [future for future in in_flight if future not in ended]
            yield from (future.result() for future in sorted(done, key=_failed))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)


def _failed(future: Future[R]) -> bool:
    return future.exception() is not None


def twin(model: LoadedModel) -> LoadedModel:
    """The same model in modules of its own: every parameter and buffer is shared, hooks and forwards are not."""
    shared = {id(tensor): tensor for tensor in chain(model.module.parameters(), model.module.buffers())}
    return dataclasses.replace(model, module=copy.deepcopy(model.module, shared))
