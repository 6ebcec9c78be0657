"""A checkpoint's config with its omissions filled in, as the model is built from it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from invarlock.checkpoints.checkpoint import TensorSource
from invarlock.errors import ModelError


def effective_config(source: TensorSource) -> Mapping[str, JsonValue]:
    """Every field, with the defaults of this version of transformers; as it is, of a model type that it does not know.

    A file of old leaves out what a newer one says: only filled in do the two compare. Raises ModelError for a value
    of a type that the field does not take.
    """
    # Imported late: takes seconds, and reads the network switch.
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING

    if source.model_type not in CONFIG_MAPPING:
        return source.config
    try:
        config = CONFIG_MAPPING[source.model_type].from_dict(dict(source.config))
    except (StrictDataclassError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"transformers cannot read the config: {' '.join(str(error).split())}",
            where=source.root / "config.json",
            fix="download or save the model again",
        ) from error
    filled: dict[str, JsonValue] = json.loads(config.to_json_string(use_diff=False))
    return filled
