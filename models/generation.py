"""Decodes token by token with a causal language model of transformers: one padded batch, one row per prompt.

Differs from transformers' `generate`: every row has its own random generator, so a seed gives the same tokens
whatever other threads draw; every token comes with its log-probability; and the caller decides after each
token which rows have ended, which makes streaming, stop strings and cancelling plain loops.

The log-probability of a token is that of the model itself: log softmax of the raw logits, in nats, in
float32, before temperature, top_k and top_p (as vLLM and OpenAI report it).
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn. Temperature 0 takes the most probable one; top_k 0 keeps every token."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None


@dataclass(frozen=True)
class Emitted:
    """One token that a row has just got."""

    row: int
    token: int
    logprob: float


class Decoding:
    """An ongoing generation for several prompts; each `advance` gives every unfinished row its next token.

    The rows share one forward pass per token: prompts are padded on the left and masked. Row i draws with
    seed `sampling.seed + i`, so one prompt alone repeats as row 0. The model is locked during a forward pass
    only; several decodings, each with its own key-value cache, may take turns in different threads.
    """

    def __init__(
        self,
        network: Any,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        pad: int,
        lock: threading.Lock,
        members: int = 1,
    ) -> None:
        """`prompts` are non-empty token id sequences; `pad` any valid id (it is masked). members: of an
        ensemble that the network is (`adapters/masks.py`); each reads every row, and the mean of their
        distributions is that of the row.
        """
        import torch

        self._network, self._sampling, self._pad, self._lock = network, sampling, pad, lock
        self._members = members
        self._unfinished = set(range(len(prompts)))
        width = max(len(prompt) for prompt in prompts)
        device = next(network.parameters()).device
        ids = [[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        seen = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        self._inputs = torch.tensor(ids, device=device).repeat(members, 1)  # [members x rows, width]
        # [members x rows, width so far], 0 = padding
        self._mask = torch.tensor(seen, device=device).repeat(members, 1)
        self._cache: Any = None
        self._accepted = _accepted_arguments(network)
        self._generators = [_generator(sampling.seed, row) for row in range(len(prompts))]

    @property
    def unfinished(self) -> frozenset[int]:
        return frozenset(self._unfinished)

    def finish(self, row: int) -> None:
        """The row gets no further tokens."""
        self._unfinished.discard(row)

    def advance(self) -> list[Emitted]:
        """One forward pass: the next token of every unfinished row, in the order of the rows."""
        import torch

        with torch.inference_mode():
            with self._lock:
                logits = self._forward()  # [rows, vocabulary], float32 on the CPU
            emitted = []
            following = torch.full((len(logits), 1), self._pad)
            for row in sorted(self._unfinished):
                token, logprob = choose(logits[row], self._sampling, self._generators[row])
                following[row, 0] = token
                emitted.append(Emitted(row, token, logprob))
            self._inputs = following.repeat(self._members, 1).to(self._mask.device)
            self._mask = torch.cat([self._mask, torch.ones_like(self._inputs)], dim=1)
        return emitted

    def _forward(self) -> torch.Tensor:
        arguments: dict[str, Any] = {
            "input_ids": self._inputs,
            "attention_mask": self._mask,
            "past_key_values": self._cache,
            "use_cache": True,
        }
        if "position_ids" in self._accepted:
            # Padding does not count: the first real token of every row is at position 0.
            positions = (self._mask.cumsum(dim=1) - 1).clamp(min=0)
            arguments["position_ids"] = positions[:, -self._inputs.shape[1] :]
        if "logits_to_keep" in self._accepted:
            arguments["logits_to_keep"] = 1
        output = self._network(**arguments)
        self._cache = output.past_key_values
        logits = output.logits[:, -1].float().cpu()
        if self._members == 1:
            return logits
        from .adapters.masks import averaged

        return averaged(logits, self._members)


def choose(logits: torch.Tensor, sampling: Sampling, generator: torch.Generator) -> tuple[int, float]:
    """(token id, its log-probability) for one row of raw logits of shape [vocabulary]."""
    import torch

    logprobs = torch.log_softmax(logits, dim=-1)
    if sampling.temperature == 0:
        token = int(logprobs.argmax())
        return token, float(logprobs[token])
    scaled = logits / sampling.temperature
    if 0 < sampling.top_k < len(scaled):
        scaled = scaled.masked_fill(scaled < scaled.topk(sampling.top_k).values[-1], -torch.inf)
    if sampling.top_p < 1:
        ordered, order = scaled.sort(descending=True)
        # A token stays while the mass before it is below top_p, so at least the first one always stays.
        mass = ordered.softmax(dim=-1)
        dropped = order[(mass.cumsum(dim=-1) - mass) >= sampling.top_p]
        scaled = scaled.index_fill(0, dropped, -torch.inf)
    token = int(torch.multinomial(scaled.softmax(dim=-1), 1, generator=generator))
    return token, float(logprobs[token])


def _generator(seed: int | None, row: int) -> torch.Generator:
    import torch

    # Always on the CPU: the same seed draws the same numbers whatever device the model is on.
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed + row)
    return generator


def _accepted_arguments(network: Any) -> frozenset[str]:
    base = network.get_base_model() if hasattr(network, "get_base_model") else network
    return frozenset(inspect.signature(base.forward).parameters)
