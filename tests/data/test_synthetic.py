from __future__ import annotations

from invarlock.data.synthetic import read_synthetic


def test_seeded() -> None:
    first = list(read_synthetic(1))
    assert first == list(read_synthetic(1))
    assert {d.text for d in first}.isdisjoint(d.text for d in read_synthetic(2))
    assert len({d.text for d in first}) == len(first) == 256
