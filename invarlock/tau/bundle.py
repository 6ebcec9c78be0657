"""Freezing a gated model: its graph, its thresholds and their origin, in one folder that proves itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from invarlock.tau.bundle_files import ensure_free
from invarlock.tau.bundle_graph import gate_graph, model_graph
from invarlock.tau.bundle_probe import Example
from invarlock.tau.bundle_record import BundleDescription, Calibration, Gauge
from invarlock.tau.bundle_ship import ship
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.onnx_packages import optional
from invarlock.tau.strict import thresholds_for
from invarlock.tau.thresholds import Thresholds, dtype_of, thresholds_in
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
    calibration: the sweep behind tau_infer; made in the dtype of P and Q, and for this tau_infer where it names one.

    The exported gate is probed at each threshold and one step beside it, and the whole graph on the example, before
    anything gets the name ``out_dir``. Needs the extra ``onnx``.

    TauError (a ValueError) when any of this cannot be, when tau_infer is subnormal, and when ``out_dir`` is there
    already; StoreError when nothing can be written there.
    """
    _ensure_wrapped(wrapped, config)
    folder = Path(out_dir)
    ensure_free(folder)
    for package in ("onnx", "onnxscript", "onnxruntime"):  # before the work, not after it
        optional(package)
    inputs = _tensors(example_inputs)
    arrays = tuple(_array(x) for x in inputs)
    with _in_eval(wrapped), torch.no_grad():
        p, q = wrapped.raw(*inputs)
        dtype, thresholds = dtype_of(q), thresholds_for(p, q, wrapped.config, Tensor)
        _ensure_portable(dtype, thresholds)
        _ensure_calibrated(calibration, dtype, thresholds)
        model = model_graph(wrapped.model, inputs)
        gate = gate_graph(thresholds, dtype, q.ndim)
    description = BundleDescription(
        tau_infer=wrapped.config.tau_infer,
        tau_train=wrapped.config.tau_train,
        use_gap=thresholds.use_gap,
        dtype=dtype,
        gauge=gauge or Gauge(head=type(wrapped.model).__qualname__),
        calibration=calibration,
    )
    ship(folder, model, gate, Example(arrays, _array(p), _array(q)), description)
    return folder


def _ensure_wrapped(wrapped: object, config: InferenceConfig | None) -> None:
    if not isinstance(wrapped, SCMInferenceWrapper):
        raise TauError(
            f"{type(wrapped).__name__} is no SCMInferenceWrapper",
            fix="wrap the model: SCMInferenceWrapper(model, config)",
        )
    if config is not None and config != wrapped.config:
        raise TauError(
            f"config {config} is not the wrapper's, {wrapped.config}",
            fix="wrap the model with the config that is to be shipped",
        )


def _tensors(example_inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    inputs = tuple(example_inputs) if isinstance(example_inputs, tuple | list) else ()
    if not inputs or not all(isinstance(x, Tensor) for x in inputs):
        raise TauError("example_inputs is not a tuple of tensors", fix="such as (x_example,)")
    return inputs


def _array(tensor: Tensor) -> NDArray[Any]:
    """What onnxruntime is given for ``tensor``. TauError for what numpy cannot hold: bfloat16, sparse and so on."""
    try:
        return tensor.numpy(force=True)
    except (TypeError, NotImplementedError, RuntimeError) as error:
        raise TauError(
            f"example_inputs holds a {tensor.dtype} tensor that numpy cannot hold: {error}",
            fix="give dense tensors of a numpy type, and let the model turn them into its own",
        ) from error


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


def _ensure_calibrated(calibration: Calibration | None, dtype: GateDtype, thresholds: Thresholds) -> None:
    """Refuse the calibration of another gate."""
    if calibration is None:
        return
    if calibration.dtype is not dtype:
        raise TauError(
            f"the calibration compared |Q| in {calibration.dtype}, the gate compares it in {dtype}",
            where="calibration.dtype",
            fix=f"calibrate tau_infer on |Q| in {dtype}",
        )
    chosen = calibration.tau_infer
    if chosen is not None and thresholds_in(dtype, InferenceConfig(chosen)).tau_infer != thresholds.tau_infer:
        raise TauError(
            f"the calibration chose tau_infer {chosen}, the gate has {thresholds.tau_infer}",
            where="calibration.tau_infer",
            fix="wrap the model with the tau_infer that was calibrated",
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
