"""Freezing a gated model: its graph, its thresholds and their origin, in one folder that proves itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from invarlock.digests import sha256_hex
from invarlock.tau.bundle_files import METADATA, MODEL, ensure_free, publish
from invarlock.tau.bundle_graph import gate_graph, joined, model_graph
from invarlock.tau.bundle_probe import compare_pair, probe_gate
from invarlock.tau.bundle_record import BundleMetadata, Calibration, Gauge
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.onnx_packages import optional
from invarlock.tau.strict import thresholds_for
from invarlock.tau.thresholds import Thresholds, dtype_of
from invarlock.tau.wrapper import SCMInferenceWrapper


def export_bundle(
    wrapped: SCMInferenceWrapper,
    example_inputs: tuple[Tensor, ...],
    out_dir: str | os.PathLike[str],
    config: InferenceConfig | None = None,
    *,
    gauge: Gauge | None = None,
    calibration: Calibration | None = None,
) -> Path:
    """Write model.onnx, metadata.json and SHA256SUMS to the new folder ``out_dir``, whole or not at all (seed 004).

    Parameters
    ----------
    wrapped: exported in eval(), its modes are put back; P and Q must be float32 or float64.
    example_inputs: positional tensors; the first axis of each is the batch, of any size in the exported graph.
    config: None, or equal to the wrapper's.
    gauge: in what units |Q| is; by default the model's class, with nothing said of its normalisation.
    calibration: the sweep behind tau_infer.

    The exported gate is probed at each threshold and one step beside it, and the exported model on the example,
    before anything gets the name ``out_dir``. Needs the extra ``onnx``.

    TauError (a ValueError) when any of this cannot be, when tau_infer is subnormal, and when ``out_dir`` is there
    already.
    """
    folder = Path(out_dir)
    ensure_free(folder)
    for package in ("onnx", "onnxscript", "onnxruntime"):  # before the work, not after it
        optional(package)
    if config is not None and config != wrapped.config:
        raise TauError(
            f"config {config} is not the wrapper's, {wrapped.config}",
            fix="wrap the model with the config that is to be shipped",
        )
    inputs = _tensors(example_inputs)
    with _in_eval(wrapped), torch.no_grad():
        p, q = wrapped.raw(*inputs)
        dtype, thresholds = dtype_of(q), thresholds_for(p, q, wrapped.config)
        _ensure_portable(dtype, thresholds)
        model = model_graph(wrapped.model, inputs)
        graph = joined(model, gate_graph(thresholds, dtype, q.ndim))
    compare_pair(
        model, tuple(x.numpy(force=True) for x in inputs), (p.numpy(force=True), q.numpy(force=True))
    )
    probe_gate(graph, wrapped.config, dtype)
    data = graph.SerializeToString(deterministic=True)
    metadata = BundleMetadata(
        tau_infer=wrapped.config.tau_infer,
        tau_train=wrapped.config.tau_train,
        use_gap=thresholds.use_gap,
        dtype=dtype,
        gauge=gauge or Gauge(head=type(wrapped.model).__qualname__),
        model_sha256=sha256_hex(data),
        calibration=calibration,
    )
    text = json.dumps(metadata.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)
    publish(folder, {MODEL: data, METADATA: text.encode() + b"\n"})
    return folder


def _tensors(example_inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    inputs = tuple(example_inputs) if isinstance(example_inputs, tuple | list) else ()
    if not inputs or not all(isinstance(x, Tensor) for x in inputs):
        raise TauError("example_inputs is not a tuple of tensors", fix="such as (x_example,)")
    return inputs


def _ensure_portable(dtype: GateDtype, thresholds: Thresholds) -> None:
    """Refuse what another runtime would gate otherwise than the wrapper does."""
    if dtype not in (GateDtype.FLOAT32, GateDtype.FLOAT64):
        raise TauError(
            f"P and Q are {dtype}; onnxruntime divides those in float32, and misses what overflows in {dtype}",
            fix="have the model end in p.float(), q.float(), and calibrate tau_infer on that",
        )
    smallest = torch.finfo(getattr(torch, dtype)).tiny
    if thresholds.tau_infer < smallest:
        raise TauError(
            f"tau_infer {thresholds.tau_infer} is subnormal in {dtype}: a runtime may take |Q| that small for 0",
            fix=f"export with tau_infer >= {smallest}",
        )


@contextmanager
def _in_eval(model: nn.Module) -> Iterator[None]:
    """Everything in eval() for the block, then each module in its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
