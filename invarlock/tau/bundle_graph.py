"""The ONNX graph of a bundle: the model's graph, then the gate's, joined at P and Q.

The two are exported apart and joined, so that the gate can be cut out of the finished graph again and probed with
any P and Q (:mod:`invarlock.tau.bundle_probe`).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.onnx_packages import optional
from invarlock.tau.strict import StrictInference, masks
from invarlock.tau.thresholds import Thresholds

OUTPUTS = StrictInference._fields
PAIR = ("gate/P", "gate/Q")
_SEAL = "invarlock.metadata_sha256"
Graph = Any  # an onnx.ModelProto


class _Gate(nn.Module):
    def __init__(self, thresholds: Thresholds) -> None:
        super().__init__()
        self.thresholds = thresholds

    def forward(self, p: Tensor, q: Tensor) -> tuple[Tensor, ...]:
        return tuple(masks(p, q, self.thresholds, torch))


def model_graph(model: nn.Module, inputs: tuple[Tensor, ...]) -> Graph:
    """``input_0``... to P and Q; the first axis of every input is the batch, of any size.

    TauError when torch cannot export the model so.
    """
    batch = tuple({0: "batch"} if x.ndim else {} for x in inputs)
    return _exported(model, inputs, batch, [f"input_{n}" for n in range(len(inputs))], PAIR)


@cache  # a second each, and the same for every model with the same gate
def gate_graph(thresholds: Thresholds, dtype: GateDtype, ndim: int) -> Graph:
    """P and Q, of ``ndim`` axes of any sizes, to what the gate says. Not to be changed."""
    example = torch.ones((2,) * ndim, dtype=getattr(torch, dtype))
    sizes = {axis: f"size_{axis}" for axis in range(ndim)}
    graph = _exported(_Gate(thresholds), (example, example + 1), (sizes, sizes), PAIR, OUTPUTS)
    compose = optional("onnx.compose")
    # Names inside the two graphs are the exporter's, and would clash.
    return compose.add_prefix(graph, "gate/", rename_inputs=False, rename_outputs=False)


def joined(model: Graph, gate: Graph) -> Graph:
    """One graph, without what the exporter says of the machine: the same model gives the same bytes."""
    graph = optional("onnx.compose").merge_models(model, gate, io_map=[(name, name) for name in PAIR])
    pair = list(model.graph.output)
    for output in graph.graph.output:
        output.type.tensor_type.shape.CopyFrom(pair[0].type.tensor_type.shape)
    kept = {value.name for value in graph.graph.value_info}
    graph.graph.value_info.extend(value for value in pair if value.name not in kept)
    for noted in (graph, graph.graph, *graph.graph.node, *graph.graph.value_info, *graph.graph.initializer):
        noted.ClearField("metadata_props")  # stack traces, with the paths of source files
    optional("onnx.checker").check_model(graph, full_check=True)
    return graph


def sealed(graph: Graph, digest: str) -> bytes:
    """The bytes of the model file, with the digest of what the metadata say of it. Equal graphs give equal bytes."""
    optional("onnx.helper").set_model_props(graph, {_SEAL: digest})
    data: bytes = graph.SerializeToString(deterministic=True)
    return data


def seal_of(graph: Graph) -> str | None:
    """The digest that :func:`sealed` put there; None when there is none."""
    return {entry.key: entry.value for entry in graph.metadata_props}.get(_SEAL)


def cut_gate(graph: Graph) -> Graph:
    """The gate of a joined graph, with P and Q of any shape for inputs. TauError when it has none."""
    try:
        gate = optional("onnx.utils").Extractor(graph).extract_model(list(PAIR), list(OUTPUTS))
    except (KeyError, ValueError) as error:
        raise TauError("the graph holds no gate between P and Q", fix="export the bundle anew") from error
    for value in (*gate.graph.input, *gate.graph.output):
        value.type.tensor_type.ClearField("shape")
    del gate.graph.value_info[:]
    return gate


@contextmanager
def _no_word_of_torchvision() -> Iterator[None]:
    """Without the exporter's lines that torchvision, of which nothing here makes use, is not installed."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    log.addFilter(_says_something_else)
    try:
        yield
    finally:
        log.removeFilter(_says_something_else)


def _says_something_else(line: logging.LogRecord) -> bool:
    return not line.getMessage().startswith("torchvision is not installed")


def _exported(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    shapes: tuple[dict[int, str], ...],
    names: Sequence[str],
    outputs: Sequence[str],
) -> Graph:
    with warnings.catch_warnings(), _no_word_of_torchvision():
        warnings.simplefilter("ignore")  # of torch about itself, and about axes that have one name
        try:
            program: Any = torch.onnx.export(
                module.eval(),
                inputs,
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=list(names),
                output_names=list(outputs),
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise TauError(
                f"the model cannot be exported to ONNX: {error}",
                where=type(module).__qualname__,
                fix="make torch.export accept it, with a first axis of any size",
            ) from error
    return program.model_proto
