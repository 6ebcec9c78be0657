"""From what the user typed to a folder: a path, ``bundled:NAME``, or a hub id, cached or fetched."""

from __future__ import annotations

import re
from pathlib import Path

from invarlock.errors import ModelError
from invarlock.home import find_model
from invarlock.network import network_allowed

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_SAFE_FILES = ["*.json", "*.txt", "*.model", "model*.safetensors"]
_PICKLED_FILES = ["pytorch_model*.bin"]


def find_folder(reference: str, *, allow_pickle: bool = False, allow_network: bool = False) -> Path:
    """The folder of ``reference`` on this machine.

    A hub id is looked up in the local cache first; it is fetched only when the network is allowed.

    Raises
    ------
    ModelError: no such folder, or a hub id that is not cached and cannot or may not be fetched.
    """
    named = Path(find_model(reference))
    if named.is_dir():
        return named
    if named.exists():
        raise ModelError(
            "a model is a folder, this is a file", where=named, fix="name the folder that holds it"
        )
    if not _HUB_ID.fullmatch(reference):
        raise ModelError(
            "no such model folder",
            where=reference,
            fix="name a folder with config.json and model.safetensors",
        )
    patterns = _SAFE_FILES + (_PICKLED_FILES if allow_pickle else [])
    return _from_hub(reference, patterns, online=network_allowed(allow_network))


def _from_hub(reference: str, patterns: list[str], *, online: bool) -> Path:
    # Imported late: a folder needs no hub, and huggingface_hub reads the network switch once.
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(reference, allow_patterns=patterns, local_files_only=not online))
    except LocalEntryNotFoundError as error:
        if online:
            raise _unreachable(reference, error) from error
        raise ModelError(
            f"no folder {reference}, the hub cache has no model of that name, and the network is off",
            where=reference,
            fix="name a folder, or allow the download with --allow-network or INVARLOCK_ALLOW_NETWORK=1",
        ) from error
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise _unreachable(reference, error) from error


def _unreachable(reference: str, error: Exception) -> ModelError:
    return ModelError(
        f"the hub did not give the model: {str(error).strip().splitlines()[0]}",
        where=reference,
        fix="check the name, the connection, and your access to it",
    )
