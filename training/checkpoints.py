"""Checkpoints of a training run: what is trained and AdamW's moments, in safetensors, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Named = Iterable[tuple[str, "torch.nn.Parameter"]]


def save_checkpoint(
    file: Path,
    parameters: Named,
    optimiser: torch.optim.Optimizer,
    state: Mapping[str, Tensor] | None = None,
    **figures: float | Sequence[float],
) -> None:
    """Write a checkpoint; `figures`, numbers or rows of them, go with it, and so does other `state`."""
    import torch
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {
        name: torch.tensor(figure, dtype=torch.float64) for name, figure in figures.items()
    }
    for name, parameter in parameters:
        tensors[f"weight.{name}"] = parameter.detach().contiguous()
        if not (moments := optimiser.state[parameter]):
            continue  # it had no part in any loss so far
        tensors[f"first.{name}"], tensors[f"second.{name}"] = moments["exp_avg"], moments["exp_avg_sq"]
        tensors[f"steps.{name}"] = moments["step"]
    tensors |= {f"state.{name}": tensor for name, tensor in (state or {}).items()}
    partial = file.with_suffix(".partial")
    save_file(tensors, partial)
    partial.replace(file)


def load_checkpoint(
    file: Path, parameters: Named, optimiser: torch.optim.Optimizer, device: str = "cpu"
) -> Mapping[str, Any]:
    """Put a checkpoint into parameters and optimiser; returns its figures, and other state by its names,
    each behind "state.".
    """
    import torch
    from safetensors.torch import load_file

    tensors = load_file(file, device=device)
    with torch.no_grad():
        for name, parameter in parameters:
            if f"weight.{name}" in tensors:
                parameter.copy_(tensors[f"weight.{name}"])
            if f"first.{name}" in tensors:
                optimiser.state[parameter] = {
                    "step": tensors[f"steps.{name}"].cpu(),
                    "exp_avg": tensors[f"first.{name}"],
                    "exp_avg_sq": tensors[f"second.{name}"],
                }
    figures = {name: value.tolist() for name, value in tensors.items() if "." not in name}
    return figures | {name: value for name, value in tensors.items() if name.startswith("state.")}
