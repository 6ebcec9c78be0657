"""Tiny real models of every supported architecture, saved as transformers saves them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
import transformers as hf
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

VOCABULARY = 97
_LLAMA = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_BERT = {name: value for name, value in _LLAMA.items() if name != "num_key_value_heads"}
_GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_T5 = {"vocab_size": VOCABULARY, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
_DISTIL = {"vocab_size": VOCABULARY, "dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4}
_OPT = {**_BERT, "ffn_dim": 48, "word_embed_proj_dim": 16}
_MOE = {**_LLAMA, "num_experts": 4, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 40}

BUILDERS = {
    "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**_GPT2)),
    "bert": lambda: hf.BertForMaskedLM(hf.BertConfig(**_BERT)),
    "roberta": lambda: hf.RobertaForMaskedLM(hf.RobertaConfig(**_BERT)),
    "distilbert": lambda: hf.DistilBertForMaskedLM(hf.DistilBertConfig(**_DISTIL)),
    "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**_LLAMA)),
    "mistral": lambda: hf.MistralForCausalLM(hf.MistralConfig(**_LLAMA)),
    "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**_LLAMA, tie_word_embeddings=True)),
    "opt": lambda: hf.OPTForCausalLM(hf.OPTConfig(**_OPT)),
    "gpt_neox": lambda: hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**_BERT)),
    "t5": lambda: hf.T5ForConditionalGeneration(hf.T5Config(**_T5, decoder_start_token_id=0)),
    "phi3": lambda: hf.Phi3ForCausalLM(hf.Phi3Config(**_LLAMA, pad_token_id=0)),
    "mixtral": lambda: hf.MixtralForCausalLM(hf.MixtralConfig(**_LLAMA, num_local_experts=4)),
    "qwen2_moe": lambda: hf.Qwen2MoeForCausalLM(hf.Qwen2MoeConfig(**_MOE)),
}


@cache
def build(name: str) -> hf.PreTrainedModel:
    """The model, with seeded random weights, in eval mode. Shared by tests: not to be changed."""
    torch.manual_seed(0)
    return BUILDERS[name]().eval()


def save(name: str, folder: Path) -> Path:
    """Save the model into ``folder``, once."""
    if not (folder / "config.json").exists():
        build(name).save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path) -> None:
    """A word-level tokenizer of exactly the models' vocabulary, with the special tokens of BERT."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(VOCABULARY - 5))]
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
