"""Adapters of the embedded model: PEFT LoRA folders, merged into the weights when they are loaded.

Merging needs no peft: for each adapted matrix W + (alpha / r) B A (Hu et al., arXiv 2106.09685, section 4). A
folder says which weights it was trained for, and is refused for others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS, ORIGIN = "adapter_config.json", "adapter_model.safetensors", "sqlberg.json"
_PREFIX = "base_model.model."


@cache
def digest(folder: Path, name: str = "model.safetensors") -> str:
    """Of the weights in a folder; name: `WEIGHTS` for those of an adapter."""
    with (folder / name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def checked(adapter: Path) -> Path:
    """The folder, if it looks like an adapter of the embedded model. Raises `ModelError`."""
    if not all((adapter / name).is_file() for name in (CONFIG, WEIGHTS, ORIGIN)):
        raise ModelError(
            f"{adapter} is no adapter of the embedded model: name a folder made by `sqlberg fit`"
        )
    return adapter


def read_adapter(adapter: Path, base: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Config and tensors (by their names in the network) of an adapter of `base`. Raises `ModelError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    checked(adapter)
    try:
        config = json.loads((adapter / CONFIG).read_text())
        origin = json.loads((adapter / ORIGIN).read_text())["base"]
        tensors = load_file(adapter / WEIGHTS)
        plain = config["peft_type"] == "LORA" and not config.get("use_dora") and not config.get("use_rslora")
        _ = config["lora_alpha"] / config["r"]
    except (OSError, KeyError, ValueError, TypeError, ZeroDivisionError, SafetensorError) as error:
        raise ModelError(f"the adapter in {adapter} is damaged: run `sqlberg fit` again") from error
    if not plain:
        raise ModelError(f"{adapter} is no plain LoRA adapter; the embedded model takes no other")
    if origin != digest(base):
        raise ModelError(f"{adapter} was made for other weights than these: run `sqlberg fit` again")
    return config, {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items()}


def merged(state: dict[str, Tensor], adapter: Path, base: Path) -> dict[str, Tensor]:
    """The weights `state` of folder `base` with an adapter merged in. Raises `ModelError`."""
    config, tensors = read_adapter(adapter, base)
    scale = config["lora_alpha"] / config["r"]
    changed = dict(state)
    for name, down in tensors.items():
        if not name.endswith(".lora_A.weight"):
            continue
        up = tensors[name.replace(".lora_A.", ".lora_B.")]
        target = name.replace(".lora_A.weight", ".weight")
        if target not in state or state[target].shape != (up.shape[0], down.shape[1]):
            raise ModelError(f"{adapter} does not fit these weights: run `sqlberg fit` again")
        changed[target] = state[target] + scale * (up.float() @ down.float())
    return changed


def save_adapter(
    tensors: Mapping[str, Tensor], config: Mapping[str, object], adapter: Path, base: Path
) -> None:
    """Write a PEFT folder. tensors: by PEFT's names without their prefix; config: a LoraConfig's fields."""
    from safetensors.torch import save_file

    adapter.mkdir(parents=True, exist_ok=True)
    partial = adapter / f"{WEIGHTS}.partial"
    save_file({_PREFIX + name: t.detach().contiguous() for name, t in tensors.items()}, partial)
    partial.chmod(0o644)
    partial.rename(adapter / WEIGHTS)
    (adapter / CONFIG).write_text(json.dumps(config, indent=1, default=list) + "\n")
    (adapter / ORIGIN).write_text(json.dumps({"base": digest(base)}) + "\n")
