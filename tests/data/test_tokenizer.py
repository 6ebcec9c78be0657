from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from invarlock.data.documents import Document
from invarlock.data.tokenizer import encode_texts, hash_tokenizer, load_tokenizer, separator_token
from invarlock.data.windows import pool_windows
from invarlock.errors import ConfigError, ModelError
from invarlock.home import shipped
from tests.data.byte_tokenizer import ByteTokenizer


def test_a_loaded_tokenizer_keeps_every_character() -> None:
    tokenizer = load_tokenizer("bundled:pydocs-gpt2")
    texts = ["for x in y:\n    print('é', 0.5)\n", "  Two  spaces. "]
    encoded = encode_texts(tokenizer, texts)
    assert [tokenizer.decode(tokens) for tokens in encoded] == texts  # type: ignore[attr-defined]
    assert separator_token(tokenizer) == 0 not in encoded[0]


def test_hash_survives_use_and_copying_and_sees_changes(tmp_path: Path) -> None:
    original = shipped("models/pydocs-gpt2")
    tokenizer = load_tokenizer(original)
    before = hash_tokenizer(tokenizer)
    tokenizer(["a text"], truncation=True, max_length=1, add_special_tokens=False, verbose=False)  # type: ignore[call-arg]
    assert hash_tokenizer(tokenizer) == before

    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copy(original / name, tmp_path)
    assert hash_tokenizer(load_tokenizer(tmp_path)) == before
    form = json.loads((tmp_path / "tokenizer.json").read_text())
    form["pre_tokenizer"]["add_prefix_space"] = True
    (tmp_path / "tokenizer.json").write_text(json.dumps(form))
    assert hash_tokenizer(load_tokenizer(tmp_path)) != before


def test_bert_separates_with_its_own_token_and_has_a_mask(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "one", "two", "##s"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    tokenizer = load_tokenizer(tmp_path)
    assert (separator_token(tokenizer), tokenizer.mask_token_id) == (3, 4)
    assert set(tokenizer.all_special_ids) == {0, 1, 2, 3, 4}
    documents = [Document("a", "One twos"), Document("b", "two")]
    pool = pool_windows(documents, tokenizer, seq_len=5, provider="local_text")
    assert [window.tokens.tolist() for window in pool.windows] == [[5, 6, 7, 3, 6]]


def test_hash_of_a_tokenizer_without_a_serialised_form() -> None:
    assert hash_tokenizer(ByteTokenizer()) == hash_tokenizer(ByteTokenizer())
    assert hash_tokenizer(ByteTokenizer()) != hash_tokenizer(ByteTokenizer(sep_token_id=3))


def test_what_cannot_be_loaded_is_a_model_error(tmp_path: Path) -> None:
    for reference in (tmp_path, tmp_path / "nowhere", "nobody/no-such-model"):
        with pytest.raises(ModelError, match="no tokenizer") as caught:
            load_tokenizer(reference)
        assert str(reference) in str(caught.value)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    for damaged in ('{"version": "1.0"', '{"version": "1.0"}', "[]", ""):
        (tmp_path / "tokenizer.json").write_text(damaged)
        with pytest.raises(ModelError, match="no tokenizer"):
            load_tokenizer(tmp_path)
    with pytest.raises(ConfigError, match="not shipped"):
        load_tokenizer("bundled:nothing")
