from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ByteTokenizer:
    """A complete tokenizer without a vocabulary file: UTF-8 bytes are tokens 1 to 256, 0 ends a text."""

    eos_token_id: int | None = 0
    sep_token_id: int | None = None
    mask_token_id: int | None = None
    all_special_ids: list[int] = field(default_factory=lambda: [0])

    def __call__(
        self, text: list[str], *, add_special_tokens: bool, verbose: bool
    ) -> dict[str, list[list[int]]]:
        end = [0] if add_special_tokens else []
        return {"input_ids": [[byte + 1 for byte in one.encode()] + end for one in text]}

    def get_vocab(self) -> dict[str, int]:
        return {str(byte): byte + 1 for byte in range(256)} | {"<end>": 0}
