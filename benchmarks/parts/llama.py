"""A Llama-shaped model of random weights, to measure training with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Size:
    """Of the model and the data. prompt, response: least and most tokens."""

    hidden: int = 768
    layers: int = 12
    vocabulary: int = 32_000
    pairs: int = 24
    prompt: tuple[int, int] = (600, 1000)
    response: tuple[int, int] = (80, 200)


QUICK = Size(hidden=128, layers=2, vocabulary=2000, pairs=8, prompt=(60, 100), response=(8, 20))


def model_of(size: Size) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.hidden,
        intermediate_size=size.hidden * 8 // 3 // 64 * 64,
        num_hidden_layers=size.layers,
        num_attention_heads=size.hidden // 64,
        num_key_value_heads=size.hidden // 64,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config)
