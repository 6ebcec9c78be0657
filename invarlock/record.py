"""The base of every record that is kept on disk: frozen, strict about its keys, JSON without NaN."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Frozen; unknown keys and NaN are errors; ``model_dump(mode="json")`` gives its JSON form."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())
