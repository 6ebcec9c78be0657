"""Task: cut the data set into windows and draw every seed's schedule. Not cached: the text may have changed."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.drawing import DrawnWindows, draw_schedules
from tasks.resources import read_pool


@task(name="draw windows", cache_policy=NO_CACHE, persist_result=False)
def draw_windows(
    root: str,
    dataset: DatasetSpec,
    *,
    seeds: tuple[int, ...],
    preview: int,
    final: int,
    calibration: int = 0,
    allow_network: bool,
) -> DrawnWindows:
    """The schedules of ``seeds`` over the windows that the tokenizer in ``root`` makes."""
    pool = read_pool(dataset, root, allow_network=allow_network)
    return draw_schedules(pool, seeds=seeds, preview=preview, final=final, calibration=calibration)
