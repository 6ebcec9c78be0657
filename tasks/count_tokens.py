"""Task: how many tokens all windows of a data set would predict. Not cached: it takes a moment."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.drawing import DrawnWindows
from invarlock.measure.predictable_tokens import predictable_tokens
from tasks.resources import checkpoint, known_pool


@task(name="count tokens", cache_policy=NO_CACHE, persist_result=False)
def count_tokens(root: str, dataset: DatasetSpec, windows: DrawnWindows) -> int:
    """Of the pool that ``windows`` were drawn from, for the model in ``root``."""
    pool = known_pool(dataset, root, windows.dataset_hash, windows.tokenizer_hash)
    return predictable_tokens(pool.windows, checkpoint(root))
