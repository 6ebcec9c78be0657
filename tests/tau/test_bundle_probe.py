import copy

import numpy as np
import onnx
import onnx.utils
import pytest
import torch
from torch import nn

from invarlock.tau.bundle_graph import PAIR, gate_graph, joined, model_graph
from invarlock.tau.bundle_load import load_bundle
from invarlock.tau.bundle_probe import Example, compare_example, probe_gate
from invarlock.tau.bundle_record import BundleDescription, Gauge
from invarlock.tau.bundle_ship import ship
from invarlock.tau.errors import TauError
from invarlock.tau.gate_dtype import GateDtype
from invarlock.tau.inference_config import InferenceConfig
from invarlock.tau.thresholds import thresholds_in
from tests.tau.conftest import TAUS

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
    graph = onnx.load(exported("float32") / "model.onnx")
    for node in graph.graph.node:
        if node.op_type == drop:
            node.op_type = "Neg" if drop == "Abs" else {"IsNaN": "IsInf", "IsInf": "IsNaN"}[drop]
    with pytest.raises(TauError, match="the exported gate gives"):
        probe_gate(graph, CONFIG, GateDtype.FLOAT32)


@pytest.fixture
def parts(exported):
    """The two graphs of a bundle of a head whose P and Q are its inputs."""
    whole = onnx.load(exported("float32") / "model.onnx")
    model = onnx.utils.Extractor(whole).extract_model(["input_0"], list(PAIR))
    return model, gate_graph(thresholds_in(GateDtype.FLOAT32, CONFIG), GateDtype.FLOAT32, 1)


def example(*pairs, q=None):
    """The example on which the head gives ``pairs``; the Q that torch is to have given there, where it is another."""
    x = np.array(pairs, np.float32)
    return Example((x,), x[:, 0], x[:, 1] if q is None else np.array(q, np.float32))


@pytest.mark.parametrize("broken", ["Less", "IsNaN", "Abs"])
def test_a_broken_gate_is_never_shipped(parts, tmp_path, broken):
    model, whole = parts
    gate = copy.deepcopy(whole)
    other = {"Less": "LessOrEqual", "IsNaN": "IsInf", "Abs": "Neg"}
    node = next(node for node in gate.graph.node if node.op_type == broken)
    node.op_type = other[broken]
    description = BundleDescription(
        tau_infer=TAUS[0],
        tau_train=TAUS[1],
        use_gap=True,
        dtype=GateDtype.FLOAT32,
        gauge=Gauge(head="h"),
        calibration=None,
    )
    harmless = example((1, -1), (2, -2)) if broken == "Abs" else example((1, 1), (2, 2))
    with pytest.raises(TauError, match="the exported gate gives"):
        ship(tmp_path / "b", model, gate, harmless, description)
    assert not any(tmp_path.iterdir())
    ship(tmp_path / "b", model, whole, harmless, description)
    assert load_bundle(tmp_path / "b").metadata.tau_infer == TAUS[0]


def test_every_sample_of_the_example_is_held_to_its_own_size(parts):
    model, gate = parts
    graph = joined(model, gate)
    tau = TAUS[0]
    many = ((1, 100), (1, 3e-3), (1, tau / 2), (1, tau), (1, np.nan))
    q = [pair[1] for pair in many]
    compare_example(model, graph, example(*many), CONFIG)
    for at, other in ((0, 100.05), (1, 3.002e-3), (2, tau / 3), (2, -tau / 3), (3, tau * (1 + 5e-4))):
        compare_example(model, graph, example(*many, q=[*q[:at], other, *q[at + 1 :]]), CONFIG)
    for at, other in ((0, 100.2), (1, 3.01e-3), (1, 0), (2, 2 * tau), (3, tau / 2), (3, 1.01 * tau), (4, 1)):
        with pytest.raises(TauError, match=rf"than torch for the example's sample \({at},\)"):
            compare_example(model, graph, example(*many, q=[*q[:at], other, *q[at + 1 :]]), CONFIG)


def test_answers_are_compared_too(parts):
    model, gate = parts
    same = example((1, 1), (2, 1), (1e-5, 1))
    graph = joined(model, gate)
    compare_example(model, graph, same._replace(p=np.array([1, 2, 2e-5], np.float32)), CONFIG)
    with pytest.raises(TauError, match="another decoded"):
        compare_example(model, graph, same._replace(p=np.array([1, 2.01, 1e-5], np.float32)), CONFIG)


@pytest.mark.slow
def test_a_model_may_give_its_own_input_or_a_constant():
    class Bare(nn.Module):
        def forward(self, x):
            return torch.ones_like(x), x

    thresholds = thresholds_in(GateDtype.FLOAT32, CONFIG)
    graph = joined(model_graph(Bare(), (torch.ones(2),)), gate_graph(thresholds, GateDtype.FLOAT32, 1))
    probe_gate(graph, CONFIG, GateDtype.FLOAT32)
