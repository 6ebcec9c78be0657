"""The optional packages of the bundle (extra ``onnx``), and their errors in our words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.errors import TauError


def optional(module: str) -> Any:
    """The module, imported. TauError with the install command when its package is absent."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise TauError(
            f"a bundle needs the package {error.name or module}, which is not installed",
            fix="pip install 'invarlock-calibration[onnx]'",
        ) from error


def open_session(model: bytes) -> Any:
    """An onnxruntime session on the CPU, where bundles are probed. TauError when it cannot run ``model``."""
    runtime = optional("onnxruntime")
    try:
        return runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise TauError(
            f"onnxruntime cannot load the model: {error}", fix="export the bundle anew, with this onnxruntime"
        ) from error


def run_session(
    session: Any, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
) -> list[NDArray[Any]]:
    """The named outputs. TauError when onnxruntime refuses ``inputs`` or fails on them."""
    refusals: tuple[type[Exception], ...] = (ValueError, *_failures())
    try:
        values = session.run(list(outputs), dict(inputs))
    except refusals as error:
        raise TauError(f"onnxruntime cannot run the model: {error}", fix="check shapes and dtypes") from error
    return [np.asarray(value) for value in values]


def _failures() -> tuple[type[Exception], ...]:
    """What onnxruntime raises of a graph or of inputs; these have no base of their own."""
    state = optional("onnxruntime.capi.onnxruntime_pybind11_state")
    names = (
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NotImplemented",
        "RuntimeException",
    )
    return tuple(getattr(state, name) for name in names)
