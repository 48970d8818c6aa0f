"""LoRA Dropout's masks: whole columns of A and whole rows of B, never a rank (arXiv 2404.09610).

    h = W0 x + s (m_out ⊙ B)(A ⊙ m_in) x,    m ~ Bernoulli(1 - p), one of each per draw, for all tokens

As in the paper nothing is rescaled while masked. A network in training draws anew at every pass, each layer
by itself; in evaluation it is the mean over all draws in a single pass (`Adapter.mean_alpha`), and inside
`drawn` an ensemble of N draws: the rows of a batch then belong to the draws in turn, in N equal parts, and
their distributions are the caller's to average (`averaged`).

This is no `nn.Dropout`, so that trainers which turn those off leave it alone: it is on in the policy's pass
(training) and off in the reference's (evaluation).
"""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import ModelError
from .folders import PREFIX, Stored

if TYPE_CHECKING:
    from .layer import AdaptedLinear


@dataclass(frozen=True)
class Masks:
    """Of one layer: ones and zeros, inputs [draws, in] and outputs [draws, out]."""

    inputs: Tensor
    outputs: Tensor

    @classmethod
    def passing(cls, layer: AdaptedLinear, share: float) -> Masks:
        """One draw by torch's own generator, which gradient checkpointing sets back to draw the same again.
        share: left out.
        """
        weight = layer.plain.weight
        return cls(*((torch.rand(1, size, device=weight.device) >= share).float() for size in sizes(layer)))

    @classmethod
    def fixed(cls, name: str, ends: tuple[int, int], share: float, draws: int, seed: int) -> Masks:
        """Those of a layer by its name: the first draws are alike for any number of them. ends: its inputs
        and outputs.
        """
        generator = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name}".encode()))
        return cls(*(torch.stack([_kept(size, share, generator) for _ in range(draws)]) for size in ends))

    def to(self, device: torch.device) -> Masks:
        return Masks(self.inputs.to(device), self.outputs.to(device))


def sizes(layer: AdaptedLinear) -> tuple[int, int]:
    """Its inputs and outputs."""
    outputs, inputs = layer.plain.weight.shape
    return inputs, outputs


def _kept(size: int, share: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(size, generator=generator) >= share).float()


def masked_layers(network: torch.nn.Module) -> dict[str, AdaptedLinear]:
    """Those whose adapter has a mask, by their names in `Stored`."""
    from .layer import AdaptedLinear

    return {
        name.removeprefix(PREFIX): module
        for name, module in network.named_modules()
        if isinstance(module, AdaptedLinear) and module.adapter.mask
    }


def check_masked(mask: float) -> None:
    """Raises `ModelError` for an adapter (or none) that is no ensemble."""
    if not mask:
        raise ModelError("only an adapter trained with a mask has members, and this one was not")


def draw(network: torch.nn.Module, draws: int, seed: int) -> None:
    """Make the network that many fixed members of the ensemble."""
    for name, layer in masked_layers(network).items():
        masks = Masks.fixed(name, sizes(layer), layer.adapter.mask, draws, seed)
        layer.masks = masks.to(layer.plain.weight.device)


@contextlib.contextmanager
def drawn(network: torch.nn.Module, draws: int, seed: int) -> Iterator[None]:
    """The same, while the block runs."""
    draw(network, draws, seed)
    try:
        yield
    finally:
        for layer in masked_layers(network).values():
            layer.masks = None


def members(stored: Stored, draws: int, seed: int) -> list[Stored]:
    """The same members, each as an adapter of its own without masks. Raises `ModelError` without masks."""
    adapter = stored.adapter
    check_masked(adapter.mask)
    plain = replace(adapter, alpha=adapter.mean_alpha / adapter.kept, mask=0.0)
    tensors = [dict(stored.tensors) for _ in range(draws)]
    for layer in stored.layers():
        ends = (layer.down.shape[1], layer.up.shape[0])
        masks = Masks.fixed(layer.name, ends, adapter.mask, draws, seed)
        for member, inputs, outputs in zip(tensors, masks.inputs, masks.outputs, strict=True):
            member[f"{layer.name}.lora_A.weight"] = layer.down * inputs.to(layer.down)
            member[f"{layer.name}.lora_B.weight"] = layer.up * outputs.to(layer.up)[:, None]
    return [replace(stored, adapter=plain, tensors=member, probes=None) for member in tensors]


def averaged(logits: Tensor, draws: int) -> Tensor:
    """The logarithm of the mean over the draws of next-token distributions.

    logits: [draws x rows, ..., tokens], divided as by `drawn`; returns [rows, ..., tokens].
    """
    parts = logits.float().log_softmax(-1).unflatten(0, (draws, -1))
    return parts.logsumexp(0) - math.log(draws)
