from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from invarlock.data.documents import Document
from invarlock.data.schedule import Schedule, draw_schedule
from invarlock.data.windows import WindowPool, pool_windows
from invarlock.digests import canonical_json, sha256_hex
from invarlock.errors import DataError
from tests.data.byte_tokenizer import ByteTokenizer


def pool_of(count: int) -> WindowPool:
    text = "".join(chr(32 + n // 90) + chr(32 + n % 90) for n in range(count))
    return pool_windows([Document("x", text)], ByteTokenizer(), seq_len=2, provider="local_text")


POOL = pool_of(60)
parts = st.integers(0, 20)


@given(parts, parts, parts, st.integers(0, 2**63))
def test_parts_are_disjoint_and_without_replacement(
    preview: int, final: int, calibration: int, seed: int
) -> None:
    schedule = draw_schedule(POOL, preview=preview, final=final, calibration=calibration, seed=seed)
    sizes = len(schedule.preview), len(schedule.final), len(schedule.calibration)
    assert sizes == (preview, final, calibration)
    ids = {*schedule.preview, *schedule.final, *schedule.calibration}
    assert len(ids) == preview + final + calibration
    assert ids <= {window.id for window in POOL.windows}


def test_different_seeds_draw_different_windows() -> None:
    drawn = [draw_schedule(POOL, preview=5, final=5, seed=seed) for seed in range(50)]
    assert len({frozenset(schedule.preview) for schedule in drawn}) > 45
    assert len({schedule.digest for schedule in drawn}) == 50


def test_every_window_is_equally_likely() -> None:
    places = {window.id: index for index, window in enumerate(POOL.windows)}
    counts = np.zeros((3, len(places)))
    for seed in range(3000):
        schedule = draw_schedule(POOL, preview=6, final=6, calibration=6, seed=seed)
        for part, ids in enumerate((schedule.preview, schedule.final, schedule.calibration)):
            counts[part, [places[name] for name in ids]] += 1
    assert np.abs(counts / 3000 - 0.1).max() < 5 * np.sqrt(0.1 * 0.9 / 3000)


def test_the_seed_decides_everything() -> None:
    schedule = draw_schedule(POOL, preview=3, final=2, seed=43)
    assert schedule == draw_schedule(pool_of(60), preview=3, final=2, seed=43)
    order = np.random.default_rng(43).permutation(60)[:5]
    assert schedule.preview + schedule.final == tuple(POOL.windows[index].id for index in order)


@given(st.integers(1, 20), st.integers(0, 20), st.integers(0, 20))
def test_fewer_calibration_windows_are_a_prefix(fewer: int, preview: int, final: int) -> None:
    more = draw_schedule(POOL, preview=10, final=10, calibration=20, seed=4).calibration
    assert (
        draw_schedule(POOL, preview=preview, final=final, calibration=fewer, seed=4).calibration
        == more[:fewer]
    )


def test_digest_is_the_hash_of_the_canonical_json() -> None:
    schedule = draw_schedule(POOL, preview=2, final=2, seed=1)
    assert schedule.digest == sha256_hex(canonical_json(schedule.model_dump(mode="json")))
    assert schedule.digest == Schedule.model_validate_json(schedule.model_dump_json()).digest


def test_too_little_data_says_how_much_there_is() -> None:
    with pytest.raises(DataError) as caught:
        draw_schedule(POOL, preview=40, final=40, calibration=1, seed=0)
    message = str(caught.value)
    assert "60 windows of 2 tokens exist" in message
    assert "81 are asked for (40 preview + 40 final + 1 calibration)" in message
    assert "lower dataset.seq_len" in message


def test_all_windows_can_be_drawn() -> None:
    schedule = draw_schedule(POOL, preview=30, final=30, seed=0)
    assert {*schedule.preview, *schedule.final} == {window.id for window in POOL.windows}


@pytest.mark.parametrize("wrong", [{"preview": -1}, {"final": -1}, {"calibration": -1}, {"seed": -1}])
def test_negative_numbers_are_refused(wrong: dict[str, int]) -> None:
    name = next(iter(wrong))
    with pytest.raises(DataError, match=f"{name} is -1"):
        draw_schedule(POOL, **({"preview": 1, "final": 1, "seed": 0} | wrong))


def test_a_kept_schedule_with_a_window_twice_is_refused() -> None:
    kept = draw_schedule(POOL, preview=1, final=1, seed=0).model_dump(mode="json")
    with pytest.raises(ValidationError, match="occurs twice"):
        Schedule.model_validate(kept | {"final": kept["preview"]})
