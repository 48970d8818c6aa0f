"""What the processes of one training share: the gradients of what is trained, and of large models the layers.

What is trained (an adapter) is whole and alike on every process, so its gradients are added up once a step.
Frozen weights may be divided: each process holds a part of every layer and fetches the others' while the
layer computes (PyTorch's FSDP2, `fully_shard`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import SqlbergError

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch.nn import Parameter


def processes() -> Accelerator:
    """Those of this training (one, but under `accelerate launch` or torchrun), each with its device."""
    import torch
    from accelerate import Accelerator

    return Accelerator(cpu=not torch.cuda.is_available())


def begin_alike(parameters: Sequence[Parameter]) -> None:
    """Every process takes what the first one begins with."""
    from accelerate.utils import broadcast

    for parameter in parameters:
        parameter.data.copy_(broadcast(parameter.data))  # pyright: ignore[reportArgumentType]


def add_gradients(parameters: Sequence[Parameter], accelerator: Accelerator) -> None:
    """The gradients become the sums over all processes. One that had no part in the loss anywhere stays None
    only where there is one process.
    """
    import torch

    if accelerator.num_processes == 1:
        return
    own = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    summed: Any = accelerator.reduce(torch.cat([gradient.flatten() for gradient in own]), "sum")
    for parameter, part in zip(parameters, summed.split([len(g.flatten()) for g in own]), strict=True):
        parameter.grad = part.view_as(parameter).to(parameter.dtype)


def divide_layers(network: Any) -> None:
    """Divide the frozen weights of a causal network's layers among the processes; each must then compute as
    often as the others. Raises `SqlbergError` for one process, and for other networks.
    """
    from torch.distributed.fsdp import fully_shard

    accelerator = processes()
    if accelerator.num_processes == 1:
        raise SqlbergError(
            "layers are divided among processes, and this is one: accelerate launch -m sqlberg train …"
        )
    causal = network.get_base_model() if hasattr(network, "get_base_model") else network
    layers = getattr(causal.get_decoder(), "layers", None) if hasattr(causal, "get_decoder") else None
    if layers is None:
        raise SqlbergError("only the layers of a causal language model can be divided: leave --divide out")
    for layer in layers:
        fully_shard(layer, ignored_params={p for p in layer.parameters() if p.requires_grad})
    network.to(accelerator.device)
