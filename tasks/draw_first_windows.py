"""Task: the first windows of one seed's schedule, as many as there are. Not cached: the text may have changed."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.drawing import DrawnWindows, draw_schedules
from tasks.resources import read_pool


@task(name="draw windows", cache_policy=NO_CACHE, persist_result=False)
def draw_first_windows(
    root: str, dataset: DatasetSpec, *, seed: int, most: int, allow_network: bool
) -> DrawnWindows:
    """A schedule of ``most`` final windows, or of every window there is, with the tokenizer in ``root``."""
    pool = read_pool(dataset, root, allow_network=allow_network)
    return draw_schedules(pool, seeds=(seed,), preview=0, final=min(most, len(pool.windows)))
