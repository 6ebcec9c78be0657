"""Edge risk in a model: against singular values of outputs collected by plain hooks."""

import gc
import math
import weakref
from collections import defaultdict

import pytest
import torch

from invarlock.data.evenly_spaced import evenly_spaced
from invarlock.errors import DataError, MeasurementError, ModelError
from invarlock.families import Family
from invarlock.measure.edge_records import WINDOWS, EdgeSite
from invarlock.measure.edge_risk import measure_edge_risk
from invarlock.measure.edge_sites import edge_sites
from invarlock.measure.losses import measure_losses
from invarlock.measure.models import applied
from invarlock.measure.pass_meter import PASSES
from invarlock.measure.sigma_max import POWER_ITER
from invarlock.store.measurement_store import MeasurementStore
from tests.measure.random_windows import random_windows, windows_for
from tests.measure.tiny_models import BUILDERS

BEFORE_QUERIES = ("input_layernorm", "self_attn.k_proj", "self_attn.v_proj")
KINDS = ("Linear", "Conv1D", "Embedding", "Norm", "TopKRouter", "Experts")


def by_plain_hooks(model, window, store):
    """{module: [(positions, r), ...]} of every module that holds matrices or normalises, by class name alone."""
    found = defaultdict(list)

    def collect(path, output):
        matrix = (output[0] if isinstance(output, tuple) else output).double()
        matrix = matrix.reshape(-1, matrix.shape[-1])
        matrix = (matrix - matrix.mean()) / matrix.std(correction=0)
        edge = sum(side**0.5 for side in matrix.shape)
        found[path].append((len(matrix), float(torch.linalg.svdvals(matrix)[0]) / edge))

    handles = [
        module.register_forward_hook(lambda _module, _inputs, output, path=path: collect(path, output))
        for path, module in model.module.named_modules()
        if type(module).__name__.endswith(KINDS) and "Rotary" not in type(module).__name__
    ]
    measure_losses(model, [window], MeasurementStore(store.root / f"aside-{window.id}"))
    for handle in handles:
        handle.remove()
    return found


def untied(model, found):
    """A head that shares the embedding's table is none of its own; a T5 looks up one table twice."""
    table = model.module.get_input_embeddings().weight
    head = model.module.get_output_embeddings()
    tied = {path for path, module in model.module.named_modules() if module is head and head.weight is table}
    found = {path: each for path, each in found.items() if path not in tied}
    if "encoder.embed_tokens" in found:
        found["shared"] = found.pop("encoder.embed_tokens") + found.pop("decoder.embed_tokens")
    return found


@pytest.mark.parametrize("name", BUILDERS)
def test_every_module_has_the_edge_of_its_own_output(name, lively, opened, store):
    model, sites, windows = lively(name), edge_sites(opened(name)), windows_for(name, 3)
    record = measure_edge_risk(model, windows, sites, store)
    assert (record.sites, record.absent) == (sites, ())
    for window, measured in zip(windows, record.windows, strict=True):
        expected = untied(model, by_plain_hooks(model, window, store))
        assert measured.window_id == window.id
        assert measured.edges.keys() == expected.keys() == {site.module for site in sites}
        for module, calls in expected.items():
            positions = sum(count for count, _ in calls)
            mean = sum(count * risk for count, risk in calls) / positions
            assert measured.edges[module].positions == positions
            assert measured.edges[module].risk == pytest.approx(mean, rel=1e-4), module


@pytest.mark.parametrize("name", BUILDERS)
def test_sites_have_families_and_norms_are_other(name, opened):
    families = {site.module: site.family for site in edge_sites(opened(name))}
    assert set(families.values()) == set(Family)
    norms = [path for path in families if "norm" in path.lower() or ".ln_" in path]
    assert len(norms) >= 4
    assert {families[path] for path in norms} == {Family.OTHER}


def test_experts_of_a_layer_are_one_site(opened):
    sites = {site.module: site.family for site in edge_sites(opened("mixtral"))}
    assert sites["model.layers.1.mlp.experts"] is Family.FFN
    assert sites["model.layers.1.mlp.gate"] is Family.OTHER
    assert not [path for path in sites if "experts." in path or "block_sparse" in path]


def test_positions_of_a_pair_are_its_encoders_and_decoders(lively, opened, store):
    windows = windows_for("t5", 1)
    source, target = len(windows[0].tokens), len(windows[0].labels)
    [measured] = measure_edge_risk(lively("t5"), windows, edge_sites(opened("t5")), store).windows
    positions = {module: edge.positions for module, edge in measured.edges.items()}
    assert positions["encoder.block.0.layer.0.SelfAttention.q"] == source
    assert positions["decoder.block.0.layer.0.SelfAttention.q"] == target
    assert positions["decoder.block.0.layer.1.EncDecAttention.k"] == source
    assert positions["shared"] == source + target


def test_the_losses_are_the_entries_of_measure_losses(lively, opened, tmp_path):
    model, sites, windows = lively("gpt2"), edge_sites(opened("gpt2")), random_windows(4)
    plain, both = MeasurementStore(tmp_path / "plain"), MeasurementStore(tmp_path / "both")
    losses = measure_losses(model, windows, plain)
    before = PASSES.total
    record = measure_edge_risk(model, windows, sites, both)
    assert record.losses == losses
    assert PASSES.total - before == 4
    assert measure_losses(model, windows, both) == losses
    assert both.counts().written == {"window_loss": 4, "edge_risk": 4}
    assert measure_edge_risk(model, [*windows, windows[0]], sites[::-1], both).windows[:4] == record.windows
    assert PASSES.total - before == 4


def test_other_sites_contracts_and_variants_are_kept_apart(lively, opened, store):
    model, sites, windows = lively("gpt2"), edge_sites(opened("gpt2")), random_windows(1)
    record = measure_edge_risk(model, windows, sites, store)
    before = PASSES.total
    measure_edge_risk(model, windows, sites[:3], store)
    coarse = measure_edge_risk(model, windows, sites, store, POWER_ITER)
    assert coarse.windows != record.windows
    doubled = {"h.0.attn.c_attn.weight": 2 * model.module.transformer.h[0].attn.c_attn.weight}
    with applied(model, doubled, variant_digest="doubled") as variant:
        edited = measure_edge_risk(variant, windows, sites, store)
    assert edited.windows != record.windows
    assert PASSES.total - before == 3
    assert measure_edge_risk(model, windows, sites, MeasurementStore(store.root)) == record


def test_a_pass_is_over_one_window_whatever_the_batch(lively, opened, tmp_path):
    model, sites, windows = lively("gpt2"), edge_sites(opened("gpt2")), random_windows(5)
    single = measure_edge_risk(model, windows, sites, MeasurementStore(tmp_path / "a"))
    store = MeasurementStore(tmp_path / "b")
    assert measure_edge_risk(model, windows, sites, store, batch_size=4) == single
    before = PASSES.total
    measure_losses(model, windows, store, batch_size=4)
    assert PASSES.total == before


@pytest.mark.usefixtures("two_threads")
def test_numbers_do_not_depend_on_what_runs_beside(lively, opened, tmp_path):
    model, sites, windows = lively("opt"), edge_sites(opened("opt")), random_windows(6)
    together = measure_edge_risk(model, windows, sites, MeasurementStore(tmp_path / "together"))
    alone = [
        measure_edge_risk(model, [window], sites, MeasurementStore(tmp_path / window.id)).windows[0]
        for window in windows
    ]
    assert list(together.windows) == alone
    assert len({edges.edges["model.decoder.layers.1.fc2"].risk for edges in alone}) == 6


def test_no_activation_outlives_its_use(lively, opened, store):
    """When the head runs, the model itself has let go of the outputs inside blocks: so must the measurement."""
    model, inner = lively("gpt2"), ("attn.c_attn", "mlp.c_fc", "ln_2")
    outputs, alive = [], []

    def watch(_module, _inputs, output):
        outputs.append(weakref.ref(output))

    def count(_module, _inputs):
        gc.collect()
        alive.append(sum(output() is not None for output in outputs))

    for block in model.module.transformer.h:
        for path in inner:
            block.get_submodule(path).register_forward_hook(watch)
    model.module.lm_head.register_forward_pre_hook(count)
    measure_edge_risk(model, random_windows(1), edge_sites(opened("gpt2")), store)
    assert len(outputs) == 6
    assert alive == [0]


def test_a_planted_direction_shows_in_the_module_that_has_it(lively, opened, store):
    model, sites, windows = lively("llama"), edge_sites(opened("llama")), random_windows(2)
    block = "model.layers.0"
    name = f"{block}.self_attn.q_proj"
    weight = model.module.get_submodule(name).weight.detach().clone()
    weight[5] *= 20  # one feature of the output
    clean = measure_edge_risk(model, windows, sites, store).windows
    with applied(model, {f"{name}.weight": weight}, variant_digest="spiked") as spiked:
        edited = measure_edge_risk(spiked, windows, sites, store).windows
    earlier = {"model.embed_tokens", *(f"{block}.{path}" for path in BEFORE_QUERIES)}
    for before, after in zip(clean, edited, strict=True):
        assert {path for path, edge in after.edges.items() if edge == before.edges[path]} == earlier
        assert after.edges[name].risk > 1.5 * before.edges[name].risk


@pytest.mark.parametrize(("value", "what"), [(math.inf, "not finite"), (0.0, "constant")])
def test_an_output_without_an_edge_is_named_with_its_window(value, what, lively, opened, store):
    model, windows = lively("llama"), random_windows(1)
    weights = {"model.layers.1.mlp.down_proj.weight": torch.full((32, 48), value)}
    with (
        applied(model, weights, variant_digest="broken") as broken,
        pytest.raises(MeasurementError, match=what) as caught,
    ):
        measure_edge_risk(broken, windows, edge_sites(opened("llama")), store)
    assert caught.value.where == f"model.layers.1.mlp.down_proj, windows {windows[0].id}"
    assert store.counts().written == {}


def test_a_module_that_gives_no_activation_is_an_error(lively, opened, store):
    sites, windows = edge_sites(opened("gpt2")), random_windows(1)
    silent = EdgeSite(module="transformer.h", family=Family.OTHER)  # a list of blocks, never called itself
    with pytest.raises(MeasurementError, match=r"gave no activation: transformer\.h\n") as caught:
        measure_edge_risk(lively("gpt2"), windows, [*sites, silent], store)
    assert caught.value.where == f"windows {windows[0].id}"
    whole = EdgeSite(module="transformer", family=Family.OTHER)
    with pytest.raises(MeasurementError, match="no matrix"):
        measure_edge_risk(lively("gpt2"), windows, [*sites, whole], store)
    assert store.counts().written == {}


def test_modules_that_the_loaded_model_lacks_are_named(lively, opened, store):
    sites = edge_sites(opened("bert"))
    pooler = EdgeSite(
        module="bert.pooler.dense", family=Family.OTHER
    )  # of a checkpoint saved for pre-training
    record = measure_edge_risk(lively("bert"), random_windows(1), [pooler, *sites], store)
    assert (record.absent, record.sites) == ((pooler,), sites)
    with pytest.raises(ModelError, match="none of the modules"):
        measure_edge_risk(lively("bert"), random_windows(1), [pooler], store)


def test_no_window_is_an_error(lively, opened, store):
    with pytest.raises(DataError, match="no window"):
        measure_edge_risk(lively("gpt2"), [], edge_sites(opened("gpt2")), store)


def test_eight_windows_of_a_schedule():
    windows = random_windows(30)
    assert [windows[i].id for i in evenly_spaced(len(windows), WINDOWS)] == [
        windows[i].id for i in (0, 4, 8, 12, 17, 21, 25, 29)
    ]
