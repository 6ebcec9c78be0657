"""Loading live models, and laying edits over them without a trace."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.errors import ModelError
from invarlock.measure.models import applied, load_model, metric_kind, pick_device
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
