"""Pairs of checkpoints that can be compared, and those that are refused before any work."""

import json
import shutil

import pytest
import torch
import transformers as hf
from safetensors.torch import load_file, save_file

from invarlock.checkpoints.checkpoint import open_checkpoint
from invarlock.checkpoints.effective_config import longest_window
from invarlock.config import EditSpec
from invarlock.errors import ConfigError, DataError, ModelError
from invarlock.measure.comparable import require_comparable
from invarlock.measure.subject_edit import plan_subject_edit
from tests.measure.tiny_models import BUILDERS, build, save_tokenizer


@pytest.fixture
def with_tokenizer(saved, tmp_path):
    def copy(name, where="subject"):
        folder = shutil.copytree(saved(name), tmp_path / where)
        save_tokenizer(folder)
        return folder

    return copy


@pytest.fixture
def pair(with_tokenizer):
    """A tiny model, and a copy of it that went through ``change``."""

    def make(name, change):
        baseline, subject = with_tokenizer(name, "baseline"), with_tokenizer(name)
        change(subject)
        return open_checkpoint(str(baseline)), open_checkpoint(str(subject))

    return make


def rewrite(folder, change):
    tensors = change(load_file(folder / "model.safetensors"))
    save_file(
        {name: x.contiguous() for name, x in tensors.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )


def configure(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize("name", BUILDERS)
def test_a_model_compares_with_itself(name, opened):
    require_comparable(opened(name), opened(name))


def test_another_architecture_is_refused(opened):
    with pytest.raises(ModelError, match="the subject is a llama, the baseline a gpt2") as caught:
        require_comparable(opened("gpt2"), opened("llama"))
    assert caught.value.where.endswith("config.json: model_type")


def test_another_kind_is_refused(pair):
    models = pair("bert", lambda folder: configure(folder, is_encoder_decoder=True))
    with pytest.raises(
        ModelError, match="the subject's metric is ppl_seq2seq, the baseline's ppl_mlm"
    ) as caught:
        require_comparable(*models)
    assert caught.value.where.endswith("config.json: architectures")


def test_a_lost_parameter_is_refused_by_name(pair):
    lost = ["transformer.h.1.ln_1.bias", "transformer.h.1.mlp.c_fc.weight"]
    models = pair("gpt2", lambda f: rewrite(f, lambda t: {n: x for n, x in t.items() if n not in lost}))
    with pytest.raises(ModelError) as caught:
        require_comparable(*models)
    assert caught.value.what == f"the subject lacks 2 of the baseline's 28 parameters: {', '.join(lost)}"
    assert caught.value.exit_code == 2


def test_another_shape_is_refused_by_name(pair):
    name = "transformer.h.0.mlp.c_fc.weight"
    models = pair("gpt2", lambda folder: rewrite(folder, lambda t: t | {name: torch.ones(32, 64)}))
    with pytest.raises(ModelError) as caught:
        require_comparable(*models)
    assert caught.value.what == f"{name} has shape (32, 64), in the baseline (32, 128)"
    assert caught.value.where.endswith(f"model.safetensors: {name}")


def test_another_vocabulary_is_refused(pair):
    def remap(folder):
        text = (folder / "tokenizer.json").read_text()
        (folder / "tokenizer.json").write_text(text.replace('"w1":', '"x1":'))

    models = pair("gpt2", remap)
    with pytest.raises(DataError, match="tokenizer is not the baseline's") as caught:
        require_comparable(*models)
    assert "cannot be compared" in caught.value.fix
    assert caught.value.exit_code == 2


def test_a_subject_without_tokenizer_is_refused(pair):
    models = pair("gpt2", lambda folder: [path.unlink() for path in folder.glob("tokenizer*")])
    with pytest.raises(DataError, match="the subject has no tokenizer"):
        require_comparable(*models)


def test_special_tokens_count_where_masks_depend_on_them(pair):
    def unframe(folder):
        tokenizer = hf.AutoTokenizer.from_pretrained(folder)
        tokenizer.mask_token = "w7"
        tokenizer.save_pretrained(folder)

    models = pair("bert", unframe)
    with pytest.raises(DataError, match="tokenizer is not the baseline's"):
        require_comparable(*models)


def test_a_tokenizer_that_was_saved_again_is_the_same(pair):
    def save_again(folder):
        before = (folder / "tokenizer_config.json").read_bytes()
        tokenizer = hf.AutoTokenizer.from_pretrained(folder, model_max_length=17)
        tokenizer.padding_side = "left"
        tokenizer.save_pretrained(folder)
        assert (folder / "tokenizer_config.json").read_bytes() != before

    require_comparable(*pair("bert", save_again))


def test_a_bare_base_model_of_old_is_the_same_model(pair):
    """GPT-2 as the hub has it: no prefix, masks carried along."""

    def age(tensors):
        old = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
        masks = {f"h.{i}.attn.bias": torch.ones(1, 1, 8, 8) for i in range(2)}
        return old | masks | {f"h.{i}.attn.masked_bias": torch.tensor(-1e4) for i in range(2)}

    require_comparable(*pair("gpt2", lambda folder: rewrite(folder, age)))


def test_old_names_compare_in_both_directions(with_tokenizer):
    old, new = with_tokenizer("bert", "old"), with_tokenizer("bert", "new")
    rewrite(
        old,
        lambda t: (
            {
                name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
                    "LayerNorm.bias", "LayerNorm.beta"
                ): x
                for name, x in t.items()
            }
            | {"bert.embeddings.position_ids": torch.arange(64)[None]}
        ),
    )
    for pair in ((old, new), (new, old)):
        require_comparable(*(open_checkpoint(str(side)) for side in pair))


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_a_saved_head_is_the_guards_business(factor, pair):
    def add_head(folder):
        rewrite(folder, lambda t: t | {"lm_head.weight": t["transformer.wte.weight"] * factor})

    plain, headed = pair("gpt2", add_head)
    require_comparable(plain, headed)
    require_comparable(headed, plain)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_another_dtype_compares(dtype, pair):
    require_comparable(*pair("gpt2", lambda f: rewrite(f, lambda t: {n: x.to(dtype) for n, x in t.items()})))


def test_other_shards_compare(pair):
    def shard(folder):
        (folder / "model.safetensors").unlink()
        build("gpt2").save_pretrained(folder, max_shard_size="40KB")
        assert len(list(folder.glob("*.safetensors"))) > 1

    require_comparable(*pair("gpt2", shard))


def test_config_fields_that_keep_shapes_are_another_architecture(pair):
    with pytest.raises(ModelError, match=r'activation_function is "relu".*n_head is 8') as caught:
        require_comparable(*pair("gpt2", lambda f: configure(f, n_head=8, activation_function="relu")))
    assert caught.value.where.endswith("config.json")


def test_a_broken_tie_is_for_the_invariants_guard(pair):
    require_comparable(*pair("gpt2", lambda f: configure(f, tie_word_embeddings=False)))


def test_windows_longer_than_the_model_takes_are_refused_from_the_config(
    saved,
):
    source = open_checkpoint(str(saved("gpt2")))
    longest = longest_window(source)
    assert longest is not None
    plan_subject_edit(source, source, EditSpec(), seq_len=longest)
    with pytest.raises(ConfigError, match=f"the model takes {longest}"):
        plan_subject_edit(source, source, EditSpec(), seq_len=longest + 1)
