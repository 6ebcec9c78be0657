"""Loading live models, and laying edits over them without a trace."""

import copy
import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.checkpoints.modules import modules_of
from invarlock.errors import ModelError
from invarlock.measure.loaded_weights import ensure_loaded_as_stored
from invarlock.measure.losses import run_windows
from invarlock.measure.metric_kind import metric_kind
from invarlock.measure.models import applied, load_model, pick_device
from tests.measure.random_windows import windows_for
from tests.measure.tiny_models import BUILDERS, build, save_tokenizer

KINDS = {"bert": "ppl_mlm", "roberta": "ppl_mlm", "distilbert": "ppl_mlm", "t5": "ppl_seq2seq"}


@pytest.fixture
def with_tokenizer(saved, tmp_path):
    def copy(name):
        folder = shutil.copytree(saved(name), tmp_path / name)
        save_tokenizer(folder)
        return open_checkpoint(str(folder))

    return copy


@pytest.mark.parametrize("name", BUILDERS)
def test_the_loaded_model_is_the_saved_one(name, with_tokenizer):
    checkpoint = with_tokenizer(name)
    model = load_model(checkpoint, model_digest="d")
    assert model.kind == metric_kind(checkpoint) == KINDS.get(name, "ppl_causal")
    assert not model.module.training
    assert (model.device_class, model.dtype, model.variant_digest) == ("cpu", "float32", "d")
    for path, parameter in build(name).state_dict().items():
        assert torch.equal(model.module.state_dict()[path], parameter), path
    assert (model.masking.mask_id if model.masking else None) == (
        4 if name in KINDS and name != "t5" else None
    )


def _rewritten(saved, tmp_path, name, change):
    folder = shutil.copytree(saved(name), tmp_path / name)
    tensors = change(load_file(folder / "model.safetensors"))
    save_file(
        {key: t.contiguous() for key, t in tensors.items()}, folder / "model.safetensors", {"format": "pt"}
    )
    return open_checkpoint(str(folder))


def test_a_missing_parameter_is_refused_by_name(saved, tmp_path):
    lost = "model.layers.1.mlp.up_proj.weight"
    checkpoint = _rewritten(saved, tmp_path, "llama", lambda t: {n: x for n, x in t.items() if n != lost})
    with pytest.raises(ModelError, match=r"would be random.*layers\.1\.mlp\.up_proj"):
        load_model(checkpoint, model_digest="d")


def test_another_shape_is_refused_by_name(saved, tmp_path):
    checkpoint = _rewritten(saved, tmp_path, "llama", lambda t: t | {"model.norm.weight": torch.ones(7)})
    with pytest.raises(ModelError, match=r"model\.norm\.weight \(shape \(7,\)\)"):
        load_model(checkpoint, model_digest="d")


def test_an_untied_head_must_be_there(saved, tmp_path):
    checkpoint = _rewritten(
        saved, tmp_path, "llama", lambda t: {n: x for n, x in t.items() if "lm_head" not in n}
    )
    with pytest.raises(ModelError, match=r"lm_head\.weight"):
        load_model(checkpoint, model_digest="d")


HEADS = {
    "gpt2": ("transformer.wte", "lm_head"),
    "qwen2": ("model.embed_tokens", "lm_head"),
    "bert": ("bert.embeddings.word_embeddings", "cls.predictions.decoder"),
    "t5": ("shared", "lm_head"),
}


def _with_head(saved, tmp_path, name, factor, tie):
    """A checkpoint that holds a head beside its embedding: ``factor`` times that."""
    table, head = (f"{path}.weight" for path in HEADS[name])
    checkpoint = _rewritten(saved, tmp_path, name, lambda t: t | {head: t[table] * factor})
    path = checkpoint.root / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tie_word_embeddings": tie}))
    save_tokenizer(checkpoint.root)
    return open_checkpoint(str(checkpoint.root))


@pytest.mark.parametrize(
    ("name", "tie"),
    [(name, tie) for name in HEADS for tie in (True, False) if (name, tie) != ("bert", False)],
)
def test_a_head_that_is_no_longer_tied_runs_as_it_was_measured(name, tie, saved, tmp_path):
    table, head = HEADS[name]
    checkpoint = _with_head(saved, tmp_path, name, -1.5, tie)
    assert {table, head} <= {module.name for module in modules_of(checkpoint)}
    module = load_model(checkpoint, model_digest="d").module
    live = dict(module.named_parameters(remove_duplicate=False))
    stored = load_file(checkpoint.root / "model.safetensors")
    for path in (table, head):
        assert torch.equal(live[f"{path}.weight"], stored[f"{path}.weight"])


def test_the_logits_are_those_of_the_head_that_was_saved(saved, tmp_path):
    module = load_model(_with_head(saved, tmp_path, "gpt2", -2.0, True), model_digest="d").module
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        ours, tied = module(input_ids=ids).logits, build("gpt2")(input_ids=ids).logits
    torch.testing.assert_close(ours, -2 * tied)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_was_saved_twice_is_one_parameter_still(name, saved, tmp_path):
    table, head = HEADS[name]
    checkpoint = _with_head(saved, tmp_path, name, 1.0, True)
    assert head not in {module.name for module in modules_of(checkpoint)}
    live = dict(load_model(checkpoint, model_digest="d").module.named_parameters(remove_duplicate=False))
    assert live[f"{head}.weight"] is live[f"{table}.weight"]


@pytest.mark.parametrize("name", HEADS)
def test_a_loader_that_ties_what_differs_is_refused(name, saved, tmp_path):
    """As if transformers had: a model whose head is tied, and the file of one whose head is not."""
    checkpoint = _with_head(saved, tmp_path, name, -1.5, True)
    with pytest.raises(ModelError, match="would not run") as caught:
        ensure_loaded_as_stored(checkpoint, build(name))
    assert f"{HEADS[name][1]}.weight" in caught.value.what
    ensure_loaded_as_stored(_with_head(saved, tmp_path / "equal", name, 1.0, True), build(name))


def test_one_tensor_under_two_names_is_refused_unless_they_agree(saved, tmp_path):
    checkpoint = _rewritten(
        saved, tmp_path, "gpt_neox", lambda t: t | {"lm_head.weight": t["embed_out.weight"] * 2}
    )
    with pytest.raises(ModelError, match="would not run"):
        load_model(checkpoint, model_digest="d")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "t5"])
def test_a_checkpoint_of_half_precision_runs_as_float32(name, dtype, saved, tmp_path):
    """The numbers that it holds, computed with in float32."""
    checkpoint = _rewritten(saved, tmp_path, name, lambda t: {n: x.to(dtype) for n, x in t.items()})
    save_tokenizer(checkpoint.root)
    path = checkpoint.root / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dtype": str(dtype).removeprefix("torch.")}))
    model = load_model(open_checkpoint(str(checkpoint.root)), model_digest="d")
    expected, live = copy.deepcopy(build(name)), dict(model.module.named_parameters())
    for path, parameter in expected.named_parameters():
        parameter.data = parameter.data.to(dtype).float()
        assert live[path].dtype is torch.float32
        assert torch.equal(live[path], parameter), path
    windows = windows_for(name, 1)
    assert run_windows(model, windows) == run_windows(dataclasses.replace(model, module=expected), windows)


def test_code_in_a_checkpoint_is_never_run(saved, tmp_path):
    folder = shutil.copytree(saved("gpt2"), tmp_path / "model")
    text = (folder / "config.json").read_text().replace('"model_type": "gpt2"', '"model_type": "own"')
    auto_map = '"auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"},'
    (folder / "config.json").write_text(text.replace("{", "{" + auto_map, 1))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: pass\n")
    with pytest.raises(ModelError, match="cannot build"):
        load_model(open_checkpoint(str(folder)), model_digest="d")
    assert not (tmp_path / "ran").exists()


def test_a_masked_model_needs_a_tokenizer(opened):
    with pytest.raises(ModelError, match="tokenizer"):
        load_model(opened("bert"), model_digest="d")


def test_other_kinds_are_refused(saved, tmp_path):
    folder = shutil.copytree(saved("llama"), tmp_path / "model")
    config = (
        (folder / "config.json").read_text().replace("LlamaForCausalLM", "LlamaForSequenceClassification")
    )
    (folder / "config.json").write_text(config)
    with pytest.raises(ModelError, match="LlamaForSequenceClassification"):
        metric_kind(open_checkpoint(str(folder)))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_an_edit_leaves_no_trace(dtype, opened):
    model = load_model(opened("gpt2"), model_digest="d", dtype=dtype)
    module = model.module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    storage = module.transformer.wte.weight.data_ptr()
    edited = {
        "transformer.wte.weight": torch.full((97, 32), 0.1),
        "transformer.h.0.mlp.c_fc.weight": module.transformer.h[0].mlp.c_fc.weight.detach() * 3,
    }
    with applied(model, edited, variant_digest="e") as variant:
        assert variant.variant_digest == "e"
        assert module.lm_head.weight is module.transformer.wte.weight
        for name, tensor in edited.items():
            assert torch.equal(module.state_dict()[name], tensor.to(module.dtype))
        module.transformer.wte.weight.data.zero_()
    assert edited["transformer.wte.weight"][0, 0] == pytest.approx(0.1)
    assert module.lm_head.weight is module.transformer.wte.weight
    assert module.transformer.wte.weight.data_ptr() == storage
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_the_originals_come_back_after_an_error(opened):
    model = load_model(opened("gpt2"), model_digest="d")
    before = model.module.transformer.wpe.weight.detach().clone()

    def fail():
        with applied(model, {"wpe.weight": torch.zeros(64, 32)}, variant_digest="x"):
            assert not model.module.transformer.wpe.weight.any()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert torch.equal(model.module.transformer.wpe.weight, before)


@pytest.mark.parametrize(("name", "shape"), [("no.such.weight", (64, 32)), ("wpe.weight", (32, 64))])
def test_an_edit_that_does_not_fit_is_refused(name, shape, opened):
    model = load_model(opened("gpt2"), model_digest="d")
    with (
        pytest.raises(ModelError) as caught,
        applied(model, {name: torch.zeros(shape)}, variant_digest="x"),
    ):
        pass
    assert caught.value.where == name


def test_devices():
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="no device cuda:0"):
            pick_device("cuda:0")
