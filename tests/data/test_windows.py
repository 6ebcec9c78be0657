from __future__ import annotations

import numpy as np
import pytest

from invarlock.data.dataset_spec import DatasetSpec
from invarlock.data.documents import Document, hash_documents
from invarlock.data.windows import build_pool, make_window, pool_windows, window_id
from invarlock.errors import DataError
from tests.data.byte_tokenizer import ByteTokenizer

TOKENIZER = ByteTokenizer()


def test_id_is_the_hash_of_lengths_tokens_and_labels() -> None:
    # printf of the little-endian bytes (int64 lengths 3 and 0, int32 1 2 3) | sha256sum
    assert window_id(np.array([1, 2, 3], dtype=np.int32)) == "cc4ace6b608d7ca9"
    assert window_id(np.array([1, 2], dtype=np.int32), np.array([3], dtype=np.int32)) == "4fc021cf0ccf0caa"
    assert make_window([1, 2, 3]).id == window_id(np.array([1, 2, 3], dtype=np.int32))


def test_windows_are_cut_from_one_stream_with_ends_between() -> None:
    documents = [Document("x", "\x00\x01\x02"), Document("y", "\x03\x04\x05\x06\x07")]
    pool = pool_windows(documents, TOKENIZER, seq_len=4, provider="local_text")
    assert [window.tokens.tolist() for window in pool.windows] == [[1, 2, 3, 0], [4, 5, 6, 7]]
    assert (pool.texts, pool.tokens, pool.duplicates, pool.seq_len) == (2, 8, 0, 4)
    assert pool.dataset_hash == hash_documents(documents)


def test_tokens_are_read_only_int32() -> None:
    window = pool_windows([Document("x", "abcd")], TOKENIZER, seq_len=2, provider="p").windows[0]
    assert window.tokens.dtype == np.int32
    with pytest.raises(ValueError, match="read-only"):
        window.tokens[0] = 5


def test_duplicates_are_dropped_counted_and_leave_the_first() -> None:
    pool = pool_windows([Document("x", "ababcdabcd")], TOKENIZER, seq_len=2, provider="p")
    assert ["".join(chr(t - 1) for t in w.tokens) for w in pool.windows] == ["ab", "cd"]
    assert (pool.duplicates, pool.tokens) == (3, 4)
    pool = pool_windows([Document("x", "abcdab")], TOKENIZER, seq_len=2, provider="p")
    assert [w.tokens[0] - 1 for w in pool.windows] == [ord("a"), ord("c")]


def test_every_pair_is_one_window() -> None:
    documents = [Document("1", "ab", "cde"), Document("2", "ab", "x"), Document("3", "ab", "cde")]
    pool = pool_windows(documents, TOKENIZER, seq_len=3, provider="local_jsonl_pairs")
    first, second = pool.windows
    assert first.tokens.tolist() == [98, 99, 0]
    assert first.labels is not None
    assert first.labels.tolist() == [100, 101, 102]  # cut at seq_len
    assert first.id != second.id
    assert pool.duplicates == 1


def test_select_keeps_the_order_asked_for() -> None:
    pool = pool_windows([Document("x", "abcdef")], TOKENIZER, seq_len=2, provider="p")
    ids = [window.id for window in pool.windows]
    assert [window.id for window in pool.select(ids[::-1])] == ids[::-1]


def test_texts_without_a_full_window_make_an_empty_pool() -> None:
    pool = pool_windows([Document("x", "ab")], TOKENIZER, seq_len=8, provider="p")
    assert (pool.windows, pool.tokens, pool.texts) == ((), 0, 1)


def test_a_tokenizer_without_a_separator_is_refused() -> None:
    with pytest.raises(DataError, match="no token to put between documents"):
        pool_windows([Document("x", "ab")], ByteTokenizer(eos_token_id=None), seq_len=2, provider="p")
    with_separator = ByteTokenizer(eos_token_id=None, sep_token_id=7)
    documents = [Document("x", "\x00"), Document("y", "\x01")]
    pool = pool_windows(documents, with_separator, seq_len=3, provider="p")
    assert pool.windows[0].tokens.tolist() == [1, 7, 2]


def test_build_pool_is_the_same_every_time() -> None:
    spec = DatasetSpec.model_validate({"provider": "synthetic", "seq_len": 64, "seed": 3})
    pool, again = build_pool(spec, TOKENIZER), build_pool(spec, TOKENIZER)
    assert pool == again
    assert pool.provider == "synthetic"
    assert len(pool.windows) > 1000
    assert {window.id for window in pool.windows} == {window_id(window.tokens) for window in pool.windows}
