"""Which weight belongs to which family, by architecture (design page 2), as data.

A pattern is a regular expression that must match the end of a module's path at a dot. The first match places
the module.

Two placements the design leaves open: T5's ``relative_attention_bias`` is an embedding table indexed by
relative position, so ``embed``, as GPT-2's ``wpe`` is; OPT's ``project_in`` and ``project_out`` are the
second factor of a factorised embedding, so ``embed`` too (docs/decisions/0020-families.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from invarlock.families import Family

_Rules = tuple[tuple[str, Family], ...]


@dataclass(frozen=True)
class Architecture:
    """One ``model_type``.

    prefix: of the base model inside the model with a head; some checkpoints leave it out. roots: the base
    model's own children, by which such a checkpoint is known. rules: (pattern, family) in order. embedding:
    the input embedding. tied: modules that share its tensor when the config ties them. conv1d: pattern of modules
    that store their matrix as (in, out); all others store (out, in).
    """

    prefix: str
    roots: tuple[str, ...]
    rules: _Rules
    embedding: str
    tied: tuple[str, ...]
    conv1d: str | None = None


def _rules(*, embed: str = "", attn: str = "", ffn: str = "", other: str = "") -> _Rules:
    named = ((embed, Family.EMBED), (attn, Family.ATTN), (ffn, Family.FFN), (other, Family.OTHER))
    return tuple((pattern, family) for patterns, family in named for pattern in patterns.split())


_LLAMA_ATTENTION = r"self_attn\.[qkvo]_proj"
_LLAMA_FFN = r"mlp\.(gate|up|down)_proj"
_MOE = r"(mlp|block_sparse_moe)"
_EXPERTS = rf"{_MOE}\.experts(\.\d+)?\.(w[123]|(gate|up|gate_up|down)_proj)"


def _llama_like(attn: str = _LLAMA_ATTENTION, ffn: str = _LLAMA_FFN, other: str = "") -> Architecture:
    return Architecture(
        prefix="model",
        roots=("embed_tokens", "layers", "norm"),
        rules=_rules(embed="embed_tokens", attn=attn, ffn=ffn, other=f"{other} lm_head"),
        embedding="model.embed_tokens",
        tied=("lm_head",),
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
    ),
    "llama": _llama_like(),
    "mistral": _llama_like(),
    "qwen2": _llama_like(),
    "phi3": _llama_like(attn=r"self_attn\.(qkv|o)_proj", ffn=r"mlp\.(gate_up|down)_proj"),
    "mixtral": _llama_like(ffn=_EXPERTS, other=rf"{_MOE}\.gate"),
    "qwen2_moe": _llama_like(
        ffn=rf"{_EXPERTS} mlp\.shared_expert\.(gate|up|down)_proj {_LLAMA_FFN}",
        other=r"mlp\.gate mlp\.shared_expert_gate",
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
    ),
}

GENERIC: _Rules = _rules(
    other=r"(lm_head|embed_out|output_projection|classifier|score|pooler\.dense) (router|gate)(\.\w+)?",
    embed=r"\w*(embed|embedding|embeddings|embed_tokens|embed_positions) (wte|wpe) embeddings\.\w+",
    attn=r"\w*(attn|attention|Attention)\w*(\.\w+)*",
    ffn=r"\w*(mlp|ffn|feed_forward|experts|DenseReluDense)\w*(\.\w+)* fc[12] intermediate\.dense",
)
