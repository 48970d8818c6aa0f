"""In which precision networks compute: bfloat16 where processors multiply tiles of it, float32 elsewhere."""

from __future__ import annotations

from typing import Any


def bfloat16_pays(device: str) -> bool:
    """Whether matrix products are faster in bfloat16 there: most CPUs only emulate it, and on one with the
    vector instructions alone (AVX-512 BF16 without AMX) the conversions cost more than is won (a training
    step of the embedded model took 1.6 times as long as in float32).

    Told by what the processor can do, not measured: a run that goes on computes as it did before.
    """
    import torch

    if not device.startswith("cpu"):
        return True
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(supported and supported())


def computing(device: str, half: bool) -> Any:
    """A context in which networks compute in bfloat16, if that is wanted and pays; parameters stay as they
    are.
    """
    import torch

    kind = device.partition(":")[0]
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=half and bfloat16_pays(kind))
