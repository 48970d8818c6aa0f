"""AdaLoRA's ranks, shared out among layers while they are trained (Zhang et al., arXiv 2303.10512).

    h = W0 x + s B Λ A x,    Λ diagonal, B and A kept near orthogonal

Every layer begins with the full rank; by and by the entries of Λ that matter least, over all layers, are set
to zero, until two thirds are left. What matters is PEFT's to say (`RankAllocator`: smoothed sensitivity times
uncertainty), by the cubic schedule of the paper, eq. 13; the penalty is that of the paper's own code, the
mean Frobenius norm of BᵀB - I and AAᵀ - I. Once trained, Λ goes into B (`folded`): what is saved is plain
LoRA, which anything reads, and which goes on as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .kinds import Adapter

if TYPE_CHECKING:
    import torch
    from torch import Tensor

KEPT = 2 / 3
"""Of all ranks, in the end."""
BEGINS, ENDS = 0.1, 0.7
"""Of all steps: before, every rank is kept; after, what is left is trained."""
WEIGHT = 0.5
"""Of the penalty."""
DIAGONAL = ".lora_E.weight"


class Allocator:
    """Of one training. network: with adapters of the kind adalora; steps: of the whole training."""

    def __init__(self, network: torch.nn.Module, steps: int) -> None:
        from peft import AdaLoraConfig
        from peft.tuners.adalora.layer import RankAllocator

        self._network, self._steps = network, steps
        self._named = [(n, p) for n, p in network.named_parameters() if ".lora_" in n]
        rank = next(len(p) for n, p in self._named if ".lora_A." in n)
        begins, ends = max(1, round(BEGINS * steps)), round((1 - ENDS) * steps)
        config = AdaLoraConfig(
            init_r=rank,
            target_r=max(1, round(KEPT * rank)),
            tinit=begins,
            tfinal=ends,
            total_step=max(steps, begins + ends + 1),
            deltaT=max(1, steps // 100),
        )
        self._ranks = RankAllocator(network, config, "default")

    def penalty(self) -> Tensor:
        """How far B and A are from orthogonal; to be added to the loss."""
        import torch

        norms = []
        for name, matrix in self._named:
            if ".lora_E." not in name:
                square = matrix @ matrix.T if ".lora_A." in name else matrix.T @ matrix
                norms.append(torch.linalg.norm(square - torch.eye(len(square), device=square.device)))
        return WEIGHT * torch.stack(norms).mean()

    def update(self, step: int) -> None:
        """After the update of a step, 1 to `steps`, while its gradients are there."""
        import torch

        for _, parameter in self._named:
            if parameter.grad is None:  # no part in this step's loss
                parameter.grad = torch.zeros_like(parameter)
        self._ranks.update_and_allocate(self._network, step)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must hold, beside the parameters."""
        parts = {"sensitivity": self._ranks.exp_avg_ipt, "uncertainty": self._ranks.exp_avg_unc}
        return {f"{part}.{name}": tensor for part, named in parts.items() for name, tensor in named.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        for name, tensor in state.items():
            part, _, parameter = name.partition(".")
            kept = self._ranks.exp_avg_ipt if part == "sensitivity" else self._ranks.exp_avg_unc
            kept[parameter] = tensor
            self._ranks.ipt[parameter] = tensor


def allocator_of(network: torch.nn.Module, steps: int) -> Allocator | None:
    """Of a network whose adapter is adalora; None for others."""
    adaptive = any(".lora_E." in name for name, _ in network.named_parameters())
    return Allocator(network, steps) if adaptive else None


def folded(adapter: Adapter, tensors: Mapping[str, Tensor]) -> tuple[Adapter, dict[str, Any]]:
    """An adapter and its tensors (`folders.Stored`) as they are saved: adalora as plain LoRA."""
    if adapter.kind != "adalora":
        return adapter, dict(tensors)
    plain = {name: tensor for name, tensor in tensors.items() if not name.endswith(DIAGONAL)}
    for name, diagonal in tensors.items():
        if name.endswith(DIAGONAL):
            up = f"{name.removesuffix(DIAGONAL)}.lora_B.weight"
            plain[up] = plain[up] * diagonal.flatten()
    return replace(adapter, kind="lora"), plain
