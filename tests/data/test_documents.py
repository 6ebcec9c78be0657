from __future__ import annotations

import hashlib
import json

from invarlock.data.documents import Document, hash_documents, is_held_out, select_split


def test_split_follows_the_first_byte_of_the_hash_of_the_name() -> None:
    # printf %s NAME | sha256sum begins with 19, 1b, 8e and c1
    assert is_held_out("topic/types")
    assert is_held_out("module/json.decoder")
    assert not is_held_out("topic/for")
    assert not is_held_out("topic/assert")


def test_about_a_quarter_is_held_out() -> None:
    share = sum(is_held_out(f"document {n}") for n in range(4000)) / 4000
    assert abs(share - 0.25) < 0.03  # four standard deviations


def test_split_does_not_depend_on_order_or_company() -> None:
    documents = [Document(f"d{n}", "text") for n in range(100)]
    held_out = set(select_split(documents, "held_out"))
    train = set(select_split(documents, "train"))
    assert held_out | train == set(documents) == set(select_split(documents, "all"))
    assert not held_out & train
    assert set(select_split(documents[50:][::-1], "held_out")) == held_out & set(documents[50:])


def test_hash_is_sha256_of_canonical_json_of_ids_and_texts() -> None:
    documents = [Document("a", "é\n"), Document("b", "source", "target")]
    text = json.dumps([["a", "é\n"], ["b", "source", "target"]], separators=(",", ":"), ensure_ascii=False)
    assert hash_documents(documents) == hashlib.sha256(text.encode()).hexdigest()
    assert hash_documents(documents) != hash_documents(documents[::-1])
    assert hash_documents([Document("a", "x")]) != hash_documents([Document("a", "y")])
    assert hash_documents([Document("a", "x")]) != hash_documents([Document("b", "x")])
