"""Adapters of the embedded model, merged into its weights when they are loaded. Merging needs no peft.

For each adapted matrix W0 + s B A, or what its kind makes of that (`adapters/decomposition.py`). A folder
says which weights it was trained for, and is refused for others.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..adapters.folders import ORIGIN, Stored, checked, digest, read_adapter
from ..errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor


def looks_like_one(adapter: Path) -> Path:
    """The folder, if it may hold an adapter of the embedded model. Raises `ModelError`."""
    if not (adapter / ORIGIN).is_file():
        raise ModelError(
            f"{adapter} is no adapter of the embedded model: name a folder made by `sqlberg fit`, `train` or "
            "`improve`"
        )
    return checked(adapter)


def stored_for(base: Path, adapter: Path) -> Stored:
    """An adapter of the weights in `base`. Raises `ModelError`."""
    stored = read_adapter(looks_like_one(adapter))
    if stored.base != digest(base):
        raise ModelError(f"{adapter} was made for other weights than these: train it again")
    return stored


def merged(state: dict[str, Tensor], adapter: Path, base: Path) -> dict[str, Tensor]:
    """The weights `state` of folder `base` with an adapter merged in. Raises `ModelError`."""
    from ..adapters.decomposition import composed

    stored = stored_for(base, adapter)
    changed = dict(state)
    for layer in stored.layers():
        target = f"{layer.name}.weight"
        if target not in state or state[target].shape != (layer.up.shape[0], layer.down.shape[1]):
            raise ModelError(f"{adapter} does not fit these weights: train it again")
        scale = stored.adapter.scale
        try:
            changed[target], _ = composed(state[target], layer.down, layer.up, scale, layer.magnitudes)
        except RuntimeError as error:  # magnitudes of another size
            raise ModelError(f"{adapter} does not fit these weights: train it again") from error
    return changed
