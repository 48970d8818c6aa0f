"""In which precision networks compute: bfloat16 where processors have it, float32 elsewhere."""

from __future__ import annotations

from typing import Any


def bfloat16_pays(device: str) -> bool:
    """Whether matrix products are faster in bfloat16 there: most CPUs only emulate it.

    Told by what the processor can do, not measured: a run that goes on computes as it did before.
    """
    import torch

    if not device.startswith("cpu"):
        return True
    told = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return any(supported() for supported in told if supported)


def computing(device: str, half: bool) -> Any:
    """A context in which networks compute in bfloat16, if that is wanted and pays; parameters stay as they
    are.
    """
    import torch

    kind = device.partition(":")[0]
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=half and bfloat16_pays(kind))
