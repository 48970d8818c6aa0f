"""Log-probabilities of whole responses under a causal language model, without its [batch, length, vocabulary]
logits.

The network runs to its last hidden states; only those before an own token of the policy meet the output
matrix, a chunk at a time, and each chunk's logits are computed again in the backward pass instead of kept.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ..errors import SqlbergError
from .trees import TreeBatch

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 2**24
"""Logits held at a time."""
FULL, SLIDING = "full_attention", "sliding_attention"
"""Kinds of layers, as configurations of transformers name them."""


def response_logprobs(model: Any, batch: TreeBatch) -> Tensor:
    """The log-probability of each response, summed over its own tokens: [responses], float32.

    model: a causal language model of transformers, perhaps with a PEFT adapter in it.
    """
    import torch

    causal = causal_of(model)
    hidden = causal.get_decoder()(
        input_ids=batch.ids,
        attention_mask=_masks(causal, batch),
        position_ids=batch.positions,
        use_cache=False,
    ).last_hidden_state
    logprobs = token_logprobs(causal, hidden[batch.row, batch.place], batch.target)
    sums = torch.zeros(batch.responses, device=logprobs.device)
    return sums.index_add(0, batch.response, logprobs)


def token_logprobs(causal: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    """The log-probability of each target after a hidden state: [tokens]. hidden: [tokens, width]."""
    import torch
    from torch.utils.checkpoint import checkpoint

    size = max(1, CHUNK // causal.get_output_embeddings().weight.shape[0])
    parts = [
        checkpoint(_chunk, causal, part, wanted, use_reentrant=False)
        for part, wanted in zip(hidden.split(size), targets.split(size), strict=True)
    ]
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)


def logits_of(causal: Any, hidden: Tensor) -> Tensor:
    """What the softmax is taken of after hidden states: [..., vocabulary], float32. hidden: [..., width]."""
    logits = causal.get_output_embeddings()(hidden).float()
    config = causal.config
    # What some architectures do between the output matrix and the softmax.
    if scaling := getattr(config, "logits_scaling", None):  # Granite
        logits = logits / scaling
    if scale := getattr(config, "logit_scale", None):  # Cohere
        logits = logits * scale
    if cap := getattr(config, "final_logit_softcapping", None):  # Gemma
        logits = cap * (logits / cap).tanh()
    return logits


def causal_of(model: Any) -> Any:
    """The language model itself, whether PEFT has an adapter in it or not."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def check_reads_trees(model: Any) -> None:
    """Raises `SqlbergError` for an architecture that mixes tokens by more than masked attention over told
    positions: it would mix the branches of a tree.
    """
    causal = causal_of(model)
    others = set(getattr(causal.config, "layer_types", None) or ()) - {FULL, SLIDING}
    told = "position_ids" in inspect.signature(causal.get_decoder().forward).parameters
    if others or getattr(causal, "_is_stateful", False) or not told:
        raise SqlbergError(
            f"{causal.config.model_type} models cannot be trained here: they read their tokens in other ways "
            "than by attention over positions; take one that does, such as Qwen, Llama, Gemma or Mistral"
        )


def _chunk(causal: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    logits = logits_of(causal, hidden)
    return logits.gather(-1, targets[:, None])[:, 0] - logits.logsumexp(-1)


def _masks(causal: Any, batch: TreeBatch) -> Any:
    """What each kind of layer attends to: the ancestors of a token, where a window slides only those in it.
    By name for architectures whose layers differ.
    """
    whole = _added(batch.mask, causal.dtype)
    kinds = getattr(causal.config, "layer_types", None) or ()
    window = getattr(causal.config, "sliding_window", None)
    if window is None or (kinds and SLIDING not in kinds):
        return whole
    positions = batch.positions[:, None]
    near = positions[..., :, None] - positions[..., None, :] < window
    slid = _added(batch.mask & near, causal.dtype)
    return {FULL: whole, SLIDING: slid} if kinds else slid


def _added(mask: Tensor, dtype: Any) -> Tensor:
    """0 where a token attends, the least number of the type elsewhere."""
    import torch

    least = torch.finfo(dtype).min
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, least)
