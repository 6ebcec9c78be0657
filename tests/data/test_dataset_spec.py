from __future__ import annotations

import pytest
from pydantic import ValidationError

from invarlock.data.dataset_spec import DatasetSpec, Provider


def test_defaults_follow_the_provider() -> None:
    assert DatasetSpec.model_validate({"provider": "python_docs", "seq_len": 8}).chosen_split == "held_out"
    assert DatasetSpec.model_validate({"provider": "wikitext2", "seq_len": 8}).chosen_split == "validation"
    assert DatasetSpec.model_validate({"provider": "synthetic", "seq_len": 8}).chosen_split == "all"


def test_one_path_or_many() -> None:
    one = DatasetSpec.model_validate({"provider": "local_text", "seq_len": 8, "paths": "texts"})
    many = DatasetSpec.model_validate({"provider": "local_text", "seq_len": 8, "paths": ["a", "b"]})
    assert (one.paths, many.paths) == (("texts",), ("a", "b"))


def test_survives_the_round_trip() -> None:
    spec = DatasetSpec.model_validate(
        {"provider": "local_jsonl", "seq_len": 8, "paths": "a", "text_field": "t"}
    )
    assert DatasetSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"provider": "wikitext3", "seq_len": 8}, "'wikitext2'"),
        ({"provider": "python_docs", "seq_len": 1}, "seq_len"),
        ({"provider": "python_docs"}, "seq_len"),
        ({"provider": "python_docs", "seq_len": 8, "seqlen": 8}, "seqlen"),
        (
            {"provider": "python_docs", "seq_len": 8, "paths": "a"},
            "paths is not read by provider python_docs",
        ),
        ({"provider": "python_docs", "seq_len": 8, "split": "validation"}, "use one of held_out, train, all"),
        ({"provider": "local_text", "seq_len": 8}, "paths is missing: provider local_text"),
        ({"provider": "local_text", "seq_len": 8, "paths": []}, "paths is missing"),
        ({"provider": "local_text", "seq_len": 8, "paths": "a", "text_field": "t"}, "remove text_field"),
        ({"provider": "hf_text", "seq_len": 8}, "name is missing: provider hf_text"),
        ({"provider": "synthetic", "seq_len": 8, "seed": -1}, "seed"),
    ],
)
def test_message_names_the_key(block: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match="1 validation error") as caught:
        DatasetSpec.model_validate(block)
    assert message in str(caught.value)


def test_unknown_provider_lists_the_known_ones() -> None:
    with pytest.raises(ValidationError) as caught:
        DatasetSpec.model_validate({"provider": "c4", "seq_len": 8})
    assert all(provider.value in str(caught.value) for provider in Provider)
