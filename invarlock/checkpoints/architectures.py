"""What is known of each architecture, as data: which weight belongs to which family (design page 2), and where the
branches of its blocks end (design page 4).

A pattern is a regular expression that must match the end of a module's path at a dot. The first match places
the module.

Two placements the design leaves open: T5's ``relative_attention_bias`` is an embedding table indexed by
relative position, so ``embed``, as GPT-2's ``wpe`` is; OPT's ``project_in`` and ``project_out`` are the
second factor of a factorised embedding, so ``embed`` too (docs/decisions/0020-families.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from invarlock.families import Family

_Rules = tuple[tuple[str, Family], ...]


@dataclass(frozen=True)
class Branch:
    """The output of one branch of every block; ``{}`` stands for the block's number.

    module: path in the live model; stored: the path in checkpoints; canonical: the same place in GPT-2; parts: where
    the modules that make it up are, each at or below one of these paths.
    """

    module: str
    stored: str
    canonical: str
    family: Family
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Architecture:
    """One ``model_type``.

    prefix: of the base model inside the model with a head; some checkpoints leave it out. roots: the base
    model's own children, by which such a checkpoint is known. rules: (pattern, family) in order. embedding:
    the input embedding. tied: modules that share its tensor when the config ties them. branches: in the order
    in which a block runs them. stack: the list of blocks, where each hands the next its output and nothing
    else; empty where more is carried along. conv1d: pattern of modules that store their matrix as (in, out);
    all others store (out, in).
    """

    prefix: str
    roots: tuple[str, ...]
    rules: _Rules
    embedding: str
    tied: tuple[str, ...]
    branches: tuple[Branch, ...]
    stack: str
    conv1d: str | None = None


def _rules(*, embed: str = "", attn: str = "", ffn: str = "", other: str = "") -> _Rules:
    named = ((embed, Family.EMBED), (attn, Family.ATTN), (ffn, Family.FFN), (other, Family.OTHER))
    return tuple((pattern, family) for patterns, family in named for pattern in patterns.split())


_SUBLAYER = re.compile(r"\w+(\.\d+)?")  # a child of the block, or an item of a list in it (T5's ``layer.0``)


def _branches(
    stack: str, *, attn: str, ffn: str, cross: str = "", stored_ffn: str = "", beside_ffn: str = ""
) -> tuple[Branch, ...]:
    """Branches by their paths inside a block, each made up of the sublayer that it ends.

    stored_ffn: where checkpoints name the ffn's otherwise; beside_ffn: another sublayer that is part of the ffn's.
    """
    named = (
        (attn, attn, "attn", Family.ATTN, ()),
        (cross, cross, "crossattention", Family.ATTN, ()),
        (ffn, stored_ffn or ffn, "mlp", Family.FFN, (beside_ffn,)),
    )
    return tuple(
        Branch(
            module=f"{stack}.{{}}.{path}",
            stored=f"{stack}.{{}}.{stored}",
            canonical=f"transformer.h.{{}}.{gpt2}.c_proj",
            family=family,
            parts=tuple(
                f"{stack}.{{}}.{found[0]}"
                for each in (path, stored, *beside)
                if (found := _SUBLAYER.match(each))
            ),
        )
        for path, stored, gpt2, family, beside in named
        if path
    )


_LLAMA_ATTENTION = r"self_attn\.[qkvo]_proj"
_LLAMA_FFN = r"mlp\.(gate|up|down)_proj"
_MOE = r"(mlp|block_sparse_moe)"
_EXPERTS = rf"{_MOE}\.experts(\.\d+)?\.(w[123]|(gate|up|gate_up|down)_proj)"


def _llama_like(
    attn: str = _LLAMA_ATTENTION,
    ffn: str = _LLAMA_FFN,
    other: str = "",
    branch: str = "mlp.down_proj",
    stored_branch: str = "",
) -> Architecture:
    """branch: the ffn branch; the whole layer where experts share it, as no projection has its output."""
    return Architecture(
        prefix="model",
        roots=("embed_tokens", "layers", "norm"),
        rules=_rules(embed="embed_tokens", attn=attn, ffn=ffn, other=f"{other} lm_head"),
        embedding="model.embed_tokens",
        tied=("lm_head",),
        branches=_branches("model.layers", attn="self_attn.o_proj", ffn=branch, stored_ffn=stored_branch),
        stack="model.layers",
    )


def _bert_like(prefix: str, decoder: str, other: str) -> Architecture:
    return Architecture(
        prefix=prefix,
        roots=("embeddings", "encoder", "pooler"),
        rules=_rules(
            embed=r"embeddings\.(word|position|token_type)_embeddings",
            attn=r"(cross)?attention\.self\.(query|key|value) (cross)?attention\.output\.dense",
            ffn=r"layer\.\d+\.intermediate\.dense layer\.\d+\.output\.dense",
            other=rf"pooler\.dense {other}",
        ),
        embedding=f"{prefix}.embeddings.word_embeddings",
        tied=(decoder,),
        branches=_branches(
            f"{prefix}.encoder.layer",
            attn="attention.output.dense",
            ffn="output.dense",
            beside_ffn="intermediate",
        ),
        stack=f"{prefix}.encoder.layer",
    )


ARCHITECTURES: dict[str, Architecture] = {
    "gpt2": Architecture(
        prefix="transformer",
        roots=("wte", "wpe", "h", "ln_f"),
        rules=_rules(
            embed="wte wpe",
            attn=r"(attn|crossattention)\.(c_attn|q_attn|c_proj)",
            ffn=r"mlp\.c_fc mlp\.c_proj",
            other="lm_head",
        ),
        embedding="transformer.wte",
        tied=("lm_head",),
        branches=_branches("transformer.h", attn="attn.c_proj", ffn="mlp.c_proj"),
        stack="transformer.h",
        conv1d="c_attn|q_attn|c_fc|c_proj",
    ),
    "bert": _bert_like("bert", "cls.predictions.decoder", r"cls\.predictions\.(transform\.dense|decoder)"),
    "roberta": _bert_like("roberta", "lm_head.decoder", r"lm_head\.(dense|decoder)"),
    "distilbert": Architecture(
        prefix="distilbert",
        roots=("embeddings", "transformer"),
        rules=_rules(
            embed=r"embeddings\.(word|position)_embeddings",
            attn=r"attention\.(q|k|v|out)_lin",
            ffn=r"ffn\.lin[12]",
            other="vocab_transform vocab_projector",
        ),
        embedding="distilbert.embeddings.word_embeddings",
        tied=("vocab_projector",),
        branches=_branches("distilbert.transformer.layer", attn="attention.out_lin", ffn="ffn.lin2"),
        stack="distilbert.transformer.layer",
    ),
    "llama": _llama_like(),
    "mistral": _llama_like(),
    "qwen2": _llama_like(),
    "phi3": _llama_like(attn=r"self_attn\.(qkv|o)_proj", ffn=r"mlp\.(gate_up|down)_proj"),
    "mixtral": _llama_like(
        ffn=_EXPERTS, other=rf"{_MOE}\.gate", branch="mlp", stored_branch="block_sparse_moe"
    ),
    "qwen2_moe": _llama_like(
        ffn=rf"{_EXPERTS} mlp\.shared_expert\.(gate|up|down)_proj {_LLAMA_FFN}",
        other=r"mlp\.gate mlp\.shared_expert_gate",
        branch="mlp",
    ),
    "opt": Architecture(
        prefix="model",
        roots=("decoder",),
        rules=_rules(
            embed=r"decoder\.embed_tokens decoder\.embed_positions decoder\.project_(in|out)",
            attn=r"self_attn\.(q|k|v|out)_proj",
            ffn=r"layers\.\d+\.fc[12]",
            other="lm_head",
        ),
        embedding="model.decoder.embed_tokens",
        tied=("lm_head",),
        branches=_branches("model.decoder.layers", attn="self_attn.out_proj", ffn="fc2", beside_ffn="fc1"),
        stack="model.decoder.layers",
    ),
    "gpt_neox": Architecture(
        prefix="gpt_neox",
        roots=("embed_in", "layers", "final_layer_norm"),
        rules=_rules(
            embed="embed_in",
            attn=r"attention\.query_key_value attention\.dense",
            ffn=r"mlp\.dense_h_to_4h mlp\.dense_4h_to_h",
            other="embed_out lm_head",
        ),
        embedding="gpt_neox.embed_in",
        tied=("embed_out", "lm_head"),
        branches=_branches("gpt_neox.layers", attn="attention.dense", ffn="mlp.dense_4h_to_h"),
        stack="gpt_neox.layers",
    ),
    "t5": Architecture(
        prefix="",
        roots=(),
        rules=_rules(
            embed=r"shared (encoder|decoder)\.embed_tokens SelfAttention\.relative_attention_bias",
            attn=r"(SelfAttention|EncDecAttention)\.[qkvo]",
            ffn=r"DenseReluDense\.(wi|wi_0|wi_1|wo)",
            other="lm_head",
        ),
        embedding="shared",
        tied=("encoder.embed_tokens", "decoder.embed_tokens", "lm_head"),
        branches=(
            *_branches("encoder.block", attn="layer.0.SelfAttention.o", ffn="layer.1.DenseReluDense.wo"),
            *_branches(
                "decoder.block",
                attn="layer.0.SelfAttention.o",
                cross="layer.1.EncDecAttention.o",
                ffn="layer.2.DenseReluDense.wo",
            ),
        ),
        stack="",  # every block hands on the position bias that the first one computes
    ),
}

GENERIC: _Rules = _rules(
    other=r"(lm_head|embed_out|output_projection|classifier|score|pooler\.dense) (router|gate)(\.\w+)?",
    embed=r"\w*(embed|embedding|embeddings|embed_tokens|embed_positions) (wte|wpe) embeddings\.\w+",
    attn=r"\w*(attn|attention|Attention)\w*(\.\w+)*",
    ffn=r"\w*(mlp|ffn|feed_forward|experts|DenseReluDense)\w*(\.\w+)* fc[12] intermediate\.dense",
)
