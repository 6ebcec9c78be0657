"""A checkpoint's config with its omissions filled in, as the model is built from it, and what it says of windows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import JsonValue

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def effective_config(source: TensorSource) -> Mapping[str, JsonValue]:
    """Every field, with the defaults of this version of transformers; as it is, of a model type that it does not know.

    A file of old leaves out what a newer one says: only filled in do the two compare. Raises ModelError for a value
    of a type that the field does not take.
    """
    config = _built(source)
    if config is None:
        return source.config
    filled: dict[str, JsonValue] = json.loads(config.to_json_string(use_diff=False))
    return filled


def longest_window(source: TensorSource) -> int | None:
    """Tokens that the model takes at most; None when its positions are relative, or nothing is said of them.

    Raises what :func:`effective_config` raises.
    """
    config = _built(source)
    return None if config is None else positions_of(config, source.model_type)


def positions_of(config: PreTrainedConfig, model_type: str) -> int | None:
    """The same of a config as it was built."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None or model_type == "t5":
        return None
    # RoBERTa counts positions from the padding token's id plus one.
    return int(positions) - (config.pad_token_id + 1 if model_type == "roberta" else 0)


def _built(source: TensorSource) -> PreTrainedConfig | None:
    # Imported late: takes seconds, and reads the network switch.
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING

    if source.model_type not in CONFIG_MAPPING:
        return None
    try:
        return CONFIG_MAPPING[source.model_type].from_dict(dict(source.config))
    except (StrictDataclassError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"transformers cannot read the config: {' '.join(str(error).split())}",
            where=source.root / "config.json",
            fix="download or save the model again",
        ) from error
