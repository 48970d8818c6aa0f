"""Log-probabilities of whole responses under a causal language model, without its [batch, length, vocabulary]
logits.

The network runs to its last hidden states; only those before an own token of the policy meet the output
matrix, a chunk at a time, and each chunk's logits are computed again in the backward pass instead of kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .trees import TreeBatch

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 2**24
"""Logits held at a time."""


def response_logprobs(model: Any, batch: TreeBatch) -> Tensor:
    """The log-probability of each response, summed over its own tokens: [responses], float32.

    model: a causal language model of transformers, perhaps with a PEFT adapter in it.
    """
    import torch

    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = causal.get_decoder()(
        input_ids=batch.ids,
        attention_mask=_added(batch.mask, causal.dtype),
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

    head = causal.get_output_embeddings()
    size = max(1, CHUNK // head.weight.shape[0])
    parts = [
        checkpoint(_chunk, causal, head, part, wanted, use_reentrant=False)
        for part, wanted in zip(hidden.split(size), targets.split(size), strict=True)
    ]
    return torch.cat(parts) if parts else hidden.new_zeros(0, dtype=torch.float32)


def _chunk(causal: Any, head: Any, hidden: Tensor, targets: Tensor) -> Tensor:
    logits = head(hidden).float()
    config = causal.config
    # What some architectures do between the output matrix and the softmax.
    if scaling := getattr(config, "logits_scaling", None):  # Granite
        logits = logits / scaling
    if scale := getattr(config, "logit_scale", None):  # Cohere
        logits = logits * scale
    if cap := getattr(config, "final_logit_softcapping", None):  # Gemma
        logits = cap * (logits / cap).tanh()
    return logits.gather(-1, targets[:, None])[:, 0] - logits.logsumexp(-1)


def _added(mask: Tensor, dtype: Any) -> Tensor:
    """0 where a token attends, the least number of the type elsewhere."""
    import torch

    least = torch.finfo(dtype).min
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, least)
