"""Where the parts of the two models under test are in their checkpoints, by tensor name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Anatomy:
    """One architecture at one size.

    blocks: prefix of each; the other names follow it. matrices: every matrix of a block; output: the attention's
    output projection, a square one; narrowing: the feed-forward's second matrix; biases: every bias of a block;
    gains: of its norm layers; last_gain, embedding, head: whole names; inputs_first: matrices are (in, out).
    """

    architecture: str
    blocks: tuple[str, ...]
    matrices: tuple[str, ...]
    output: str
    narrowing: str
    biases: tuple[str, ...]
    gains: tuple[str, ...]
    last_gain: str
    embedding: str
    head: str
    tied: bool
    head_width: int
    inputs_first: bool

    def of(self, parts: tuple[str, ...], *blocks: int) -> list[str]:
        """Whole names of ``parts`` in the blocks of these numbers, of every block where none is given."""
        chosen = [self.blocks[number] for number in blocks] or self.blocks
        return [block + part for block in chosen for part in parts]


GPT2 = Anatomy(
    architecture="gpt2",
    blocks=tuple(f"transformer.h.{number}." for number in range(4)),
    matrices=("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"),
    output="attn.c_proj.weight",
    narrowing="mlp.c_proj.weight",
    biases=("attn.c_attn.bias", "attn.c_proj.bias", "mlp.c_fc.bias", "mlp.c_proj.bias"),
    gains=("ln_1.weight", "ln_2.weight"),
    last_gain="transformer.ln_f.weight",
    embedding="transformer.wte.weight",
    head="lm_head.weight",
    tied=True,
    head_width=32,
    inputs_first=True,
)

LLAMA = Anatomy(
    architecture="llama",
    blocks=tuple(f"model.layers.{number}." for number in range(2)),
    matrices=(
        "self_attn.q_proj.weight",
        "self_attn.k_proj.weight",
        "self_attn.v_proj.weight",
        "self_attn.o_proj.weight",
        "mlp.gate_proj.weight",
        "mlp.up_proj.weight",
        "mlp.down_proj.weight",
    ),
    output="self_attn.o_proj.weight",
    narrowing="mlp.down_proj.weight",
    biases=(),
    gains=("input_layernorm.weight", "post_attention_layernorm.weight"),
    last_gain="model.norm.weight",
    embedding="model.embed_tokens.weight",
    head="lm_head.weight",
    tied=False,
    head_width=32,
    inputs_first=False,
)
