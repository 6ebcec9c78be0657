"""Asking an exported graph what it does, before anybody relies on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from invarlock.tau.bundle_graph import OUTPUTS, PAIR, Graph, cut_gate
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.onnx_packages import open_session, run_session
from invarlock.tau.strict import StrictInference, strict_inference
from invarlock.tau.thresholds import dtype_of, thresholds_in

Array = NDArray[Any]
_CLOSE = (
    1e-3  # what the rounding of another runtime may do, relative to the value itself; never to the largest
)


class Example(NamedTuple):
    """The inputs of a model, in its order, and the P and Q that it gave of them."""

    inputs: tuple[Array, ...]
    p: Array
    q: Array


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


def compare_example(model: Graph, graph: Graph, example: Example, config: InferenceConfig) -> None:
    """Run the model's graph and the joined one on the example. TauError when they say what torch did not.

    Two runtimes add in different orders. So off the bottom Q may differ by 0.1 % of itself, and an answer by 0.1 % of
    itself or of the median answer. Masks are equal, except where |Q| lies within 0.1 % of a threshold.
    """
    eager = strict_inference(example.p, example.q, config)
    _, q = _run(model, PAIR, example.inputs)
    found = StrictInference(*_run(graph, OUTPUTS, example.inputs))
    if found.decoded.shape != eager.decoded.shape:
        raise TauError(
            f"the exported model gives shape {found.decoded.shape} on the example inputs, not {eager.decoded.shape}",
            fix="have the model give one P and Q a sample, whatever the size of the batch",
        )
    taus = thresholds_in(dtype_of(example.q), config)
    beside = [np.abs(np.abs(example.q) - tau) <= _CLOSE * tau for tau in taus]
    undecided = beside[0] | beside[1]
    answers = np.abs(eager.decoded[~eager.bottom_mask])
    near = _CLOSE * float(np.quantile(answers, 0.5, method="lower")) if answers.size else 0.0
    agree = {name: (getattr(found, name) == getattr(eager, name)) | undecided for name in OUTPUTS[1:]}
    agree["Q"] = eager.bottom_mask | np.isclose(q, example.q, rtol=_CLOSE, atol=0)
    agree["decoded"] = undecided | np.isclose(
        found.decoded, eager.decoded, rtol=_CLOSE, atol=near, equal_nan=True
    )
    for name, same in agree.items():
        if not same.all():
            at = tuple(np.argwhere(~same)[0].tolist())
            raise TauError(
                f"the exported model gives another {name} than torch for the example's sample {at}, "
                f"with P {example.p[at]!r} and Q {example.q[at]!r}",
                fix="check that the model in eval() gives the same every time it is asked; where rounding moves |Q| "
                "by 0.1 %, end the model in float64",
            )


def _run(graph: Graph, outputs: Sequence[str], inputs: tuple[Array, ...]) -> list[Array]:
    session = open_session(graph.SerializeToString())
    named = {given.name: value for given, value in zip(session.get_inputs(), inputs, strict=True)}
    return run_session(session, outputs, named)


def _equal(a: Array, b: Array) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (a == b) | ((a != a) & (b != b))
    return same
