"""Asking an exported graph what it does, before anybody relies on it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.bundle_graph import OUTPUTS, PAIR, Graph, cut_gate
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.onnx_packages import open_session, run_session
from invarlock.tau.strict import StrictInference, strict_inference
from invarlock.tau.thresholds import thresholds_in

Array = NDArray[Any]
_CLOSE = 1e-3  # between the P and Q of two runtimes, relative to the largest


def probe_gate(graph: Graph, config: InferenceConfig, dtype: GateDtype) -> None:
    """Run the gate of ``graph`` at each threshold, one step beside it, and where there is no quotient.

    TauError when it says anything but what :func:`strict_inference` says with ``config``.
    """
    p, q = probe_points(config, dtype)
    session = open_session(cut_gate(graph).SerializeToString())
    found = StrictInference(*run_session(session, OUTPUTS, dict(zip(PAIR, (p, q), strict=True))))
    expected = strict_inference(p, q, config)
    for name, ours, theirs in zip(OUTPUTS, expected, found, strict=True):
        wrong = np.flatnonzero(~_equal(ours, theirs))
        if wrong.size:
            at = wrong[0]
            raise TauError(
                f"the exported gate gives {name} {theirs[at]} for P {p[at]!r} and Q {q[at]!r}, not {ours[at]}",
                where=f"tau_infer {config.tau_infer}, tau_train {config.tau_train}, {dtype}",
                fix="do not use this bundle; export it anew, with other versions of torch and onnxruntime",
            )


def probe_points(config: InferenceConfig, dtype: GateDtype) -> tuple[Array, Array]:
    """P and Q, one dimension: all pairs of both signs of what a gate can get wrong."""
    number = dtype.storage.type
    edges = [number(tau) for tau in thresholds_in(dtype, config)]
    beside = [np.nextafter(tau, number(end)) for tau in edges for end in (0, math.inf)]
    limits = np.finfo(dtype.storage)
    positive = np.array([*edges, *beside, 0, 1, limits.tiny, limits.max, math.inf, math.nan], dtype.storage)
    every = np.concatenate([positive, -positive])
    p, q = np.meshgrid(every, every, indexing="ij")
    return p.reshape(-1), q.reshape(-1)


def compare_pair(graph: Graph, inputs: tuple[Array, ...], expected: tuple[Array, Array]) -> None:
    """Run the model's graph on the example. TauError when P or Q is not what the model gave."""
    session = open_session(graph.SerializeToString())
    named = {given.name: value for given, value in zip(session.get_inputs(), inputs, strict=True)}
    for name, ours, theirs in zip(PAIR, expected, run_session(session, PAIR, named), strict=True):
        scale = np.max(np.abs(ours), initial=0.0, where=np.isfinite(ours))
        if ours.shape != theirs.shape or not np.allclose(
            theirs, ours, rtol=_CLOSE, atol=_CLOSE * scale, equal_nan=True
        ):
            raise TauError(
                f"the exported model gives another {name.removeprefix('gate/')} on the example inputs",
                fix="check that the model in eval() gives the same every time it is asked",
            )


def _equal(a: Array, b: Array) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (a == b) | ((a != a) & (b != b))
    return same
