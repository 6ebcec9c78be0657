import numpy as np
import onnx
import pytest
import torch
from torch import nn

from invarlock.tau.bundle_graph import gate_graph, joined, model_graph
from invarlock.tau.bundle_probe import compare_pair, probe_gate
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.thresholds import thresholds_in
from tests.tau.conftest import TAUS
from tests.tau.heads import RationalHead

CONFIG = InferenceConfig(*TAUS)


@pytest.mark.parametrize(
    ("step", "infer", "train"), [(0.0, 1, 0), (np.inf, 1, 0), (0.0, 0, 1), (np.inf, 0, 1)]
)
def test_a_graph_that_gates_one_step_beside_a_threshold_fails_its_probe(exported, step, infer, train):
    graph = onnx.load(exported("float32") / "model.onnx")
    probe_gate(graph, CONFIG, GateDtype.FLOAT32)
    beside = [float(np.nextafter(np.float32(tau), np.float32(step))) for tau in TAUS]
    other = InferenceConfig(beside[0] if infer else TAUS[0], beside[1] if train else TAUS[1])
    with pytest.raises(TauError, match="the exported gate gives"):
        probe_gate(graph, other, GateDtype.FLOAT32)


def test_a_tau_that_the_type_does_not_tell_from_the_graphs_passes(exported):
    graph = onnx.load(exported("float32") / "model.onnx")
    probe_gate(graph, InferenceConfig(1e-5 + 1e-14, TAUS[1]), GateDtype.FLOAT32)


@pytest.mark.parametrize("drop", ["IsNaN", "IsInf", "Abs"])
def test_a_graph_without_one_of_its_nodes_fails_its_probe(exported, drop):
    graph = onnx.load(exported("float64") / "model.onnx")
    for node in graph.graph.node:
        if node.op_type == drop:
            node.op_type = "Neg" if drop == "Abs" else {"IsNaN": "IsInf", "IsInf": "IsNaN"}[drop]
    with pytest.raises(TauError, match="the exported gate gives"):
        probe_gate(graph, CONFIG, GateDtype.FLOAT64)


def test_a_graph_that_models_something_else_fails_its_comparison():
    x = np.array([[1.0, 2.0]], np.float32)
    graph = model_graph(RationalHead(), (torch.from_numpy(x),))
    compare_pair(graph, (x,), (x[:, 0], x[:, 1]))
    with pytest.raises(TauError, match="another Q"):
        compare_pair(graph, (x,), (x[:, 0], x[:, 0]))


def test_a_model_may_give_its_own_input_or_a_constant():
    class Bare(nn.Module):
        def forward(self, x):
            return torch.ones_like(x), x

    thresholds = thresholds_in(GateDtype.FLOAT32, CONFIG)
    graph = joined(model_graph(Bare(), (torch.ones(2),)), gate_graph(thresholds, GateDtype.FLOAT32, 1))
    probe_gate(graph, CONFIG, GateDtype.FLOAT32)
