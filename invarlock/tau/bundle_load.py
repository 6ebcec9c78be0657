"""Running a bundle through onnxruntime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from invarlock.digests import sha256_hex
from invarlock.problems import first_problem
from invarlock.tau.bundle_files import METADATA, MODEL, altered, read_verified
from invarlock.tau.bundle_graph import OUTPUTS, seal_of
from invarlock.tau.bundle_probe import probe_gate
from invarlock.tau.bundle_record import BundleMetadata
from invarlock.tau.errors import TauError
from invarlock.tau.onnx_packages import open_session, optional, run_session
from invarlock.tau.strict import StrictInference


class Bundle:
    """A verified bundle. Call it with the model's inputs, as arrays of the types it was exported with."""

    def __init__(self, metadata: BundleMetadata, session: Any) -> None:
        self.metadata = metadata
        self._session = session

    def __call__(self, *inputs: NDArray[Any]) -> StrictInference[NDArray[Any]]:
        """What the gate says of each sample. TauError when the inputs are not those of the model."""
        names = [given.name for given in self._session.get_inputs()]
        if len(inputs) != len(names):
            raise TauError(f"{len(inputs)} inputs were given", fix=f"the model takes {len(names)}")
        given = {name: np.asarray(value) for name, value in zip(names, inputs, strict=True)}
        return StrictInference(*run_session(self._session, OUTPUTS, given))


def load_bundle(folder: str | os.PathLike[str]) -> Bundle:
    """Check every hash, probe the graph at its thresholds in this runtime, and open it.

    TauError when a file is absent or was edited; the metadata also when the hashes of both files were made to fit, for
    the model holds theirs. Whoever edits the model too can forge a bundle: it is not signed. StoreError when it cannot
    be read. Needs the extra ``onnx``.
    """
    path = Path(folder)
    files = read_verified(path)
    try:
        metadata = BundleMetadata.model_validate_json(files[METADATA])
    except ValidationError as error:
        raise altered(path, f"{METADATA} is not what an export writes: {first_problem(error)}") from error
    if metadata.model_sha256 != sha256_hex(files[MODEL]):
        raise altered(path, f"{MODEL} is not the model that {METADATA} describes")
    _check_gate(path, metadata, files[MODEL])
    return Bundle(metadata, open_session(files[MODEL]))


def _check_gate(path: Path, metadata: BundleMetadata, model: bytes) -> None:
    onnx = optional("onnx")
    try:
        graph = onnx.load_model_from_string(model)
    except optional("google.protobuf.message").DecodeError as error:
        raise altered(path, f"{MODEL} is no ONNX file") from error
    if seal_of(graph) != metadata.digest():
        raise altered(path, f"{METADATA} is not what {MODEL} was exported with")
    probe_gate(graph, metadata.config, metadata.dtype)
