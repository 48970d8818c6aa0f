"""An adapter on disk: a PEFT folder, and beside it what plain PEFT cannot say.

    adapter_config.json        as PEFT writes it, if PEFT knows the kind
    adapter_model.safetensors  its tensors
    sqlberg.json               {"base": ..., "adapter": {kind, rank, alpha, mask, ...}, "probes": [...]}

A masked adapter reads as a plain one that is the mean over all draws. BoRA is no LoRA and says so: its
`peft_type` is one that PEFT does not know, so that loading it without us fails instead of giving another
model. `base` tells the weights that it was trained on, `probes` (`probes.py`) what the two say together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from .kinds import Adapter, Axis

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CONFIG, WEIGHTS, ORIGIN = "adapter_config.json", "adapter_model.safetensors", "sqlberg.json"
PEFT_TYPES = {"lora": "LORA", "rslora": "LORA", "dora": "LORA", "bora": "SQLBERG_BORA"}
MAGNITUDES: dict[str, dict[Axis, str]] = {
    "dora": {"out": "lora_magnitude_vector"},
    "bora": {"out": "lora_magnitude_out", "in": "lora_magnitude_in"},
}
"""By kind and axis, as modules and tensors are called: DoRA's as in PEFT, BoRA's by their axis."""
PREFIX = "base_model.model."
"""Of PEFT, before a module's own name."""


@dataclass(frozen=True)
class Layer:
    """What changes one weight [out, in]. name: of its module; down: A [r, in]; up: B [out, r]; magnitudes: by
    axis, in the order in which they are normalised.
    """

    name: str
    down: Tensor
    up: Tensor
    magnitudes: dict[Axis, Tensor]


@dataclass(frozen=True)
class Stored:
    """What a folder holds. targets: PEFT's `target_modules`; tensors: by PEFT's names without their prefix,
    `layer.lora_A.weight`; base: of the weights; probes: see above.
    """

    adapter: Adapter
    targets: str | tuple[str, ...]
    tensors: dict[str, Tensor]
    base: str = ""
    probes: Any = None

    def layers(self) -> Iterator[Layer]:
        """Raises `ModelError` where a tensor is missing, or A and B are no matrices of one rank."""
        names = MAGNITUDES.get(self.adapter.kind, {})
        for name, down in self.tensors.items():
            if name.endswith(".lora_A.weight"):
                module = name.removesuffix(".lora_A.weight")
                try:
                    up = self.tensors[f"{module}.lora_B.weight"]
                    sizes: dict[Axis, Tensor] = {
                        axis: self.tensors[f"{module}.{names[axis]}.weight"] for axis in self.adapter.axes
                    }
                except KeyError as error:
                    raise ModelError(f"an adapter lacks {error.args[0]}: train it again") from None
                if down.dim() != 2 or up.dim() != 2 or up.shape[1] != down.shape[0]:
                    raise ModelError(
                        f"an adapter's A and B do not fit each other in {module}: train it again"
                    )
                yield Layer(module, down, up, sizes)


@cache
def digest(folder: Path, name: str = "model.safetensors") -> str:
    """Of the weights in a folder; name: `WEIGHTS` for those of an adapter."""
    with (folder / name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def write_adapter(folder: Path, stored: Stored, **about: object) -> None:
    """about: further fields of PEFT's config."""
    from safetensors.torch import save_file

    adapter, targets = stored.adapter, stored.targets
    config = {
        "peft_type": PEFT_TYPES[adapter.kind],
        "r": adapter.rank,
        "lora_alpha": adapter.mean_alpha,
        "use_rslora": adapter.kind == "rslora",
        "use_dora": bool(adapter.axes),  # for BoRA, too: readers that pass over the type refuse it by this
        "target_modules": targets if isinstance(targets, str) else sorted(targets),
        "bias": "none",
    }
    origin = {"base": stored.base, "adapter": asdict(adapter)}
    if stored.probes is not None:
        origin["probes"] = stored.probes
    named = {PREFIX + _outside(name, adapter): one.contiguous() for name, one in stored.tensors.items()}
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{WEIGHTS}.partial"
    save_file(named, partial)
    partial.chmod(0o644)  # safetensors writes for the owner alone
    partial.rename(folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(config | about, indent=1) + "\n")
    (folder / ORIGIN).write_text(json.dumps(origin) + "\n")


def read_adapter(folder: Path) -> Stored:
    """Raises `ModelError` for a folder that holds none of ours, or a damaged one."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    checked(folder)
    try:
        config = json.loads((folder / CONFIG).read_text())
        told = json.loads((folder / ORIGIN).read_text())
        tensors = load_file(folder / WEIGHTS)
        # Folders of the first version say nothing more: they hold plain LoRA.
        adapter = Adapter(**told.get("adapter") or {"rank": config["r"], "alpha": config["lora_alpha"]})
        if config["peft_type"] != PEFT_TYPES[adapter.kind]:
            raise KeyError(config["peft_type"])
        targets = config.get("target_modules") or ()
        named = {_inside(name.removeprefix(PREFIX), adapter): one for name, one in tensors.items()}
        targets = targets if isinstance(targets, str) else tuple(targets)
        stored = Stored(adapter, targets, named, told["base"], told.get("probes"))
        list(stored.layers())  # whether they are whole
        return stored
    except (OSError, KeyError, ValueError, TypeError, AttributeError, SafetensorError, ModelError) as error:
        raise ModelError(
            f"the adapter in {folder} is damaged or of a kind that is not known here: train it again"
        ) from error


def checked(folder: Path) -> Path:
    """The folder, if it looks like an adapter. Raises `ModelError`."""
    if not (folder / CONFIG).is_file():
        raise ModelError(f"no adapter in {folder}: a folder with an {CONFIG} is needed")
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"the adapter {folder} holds no {WEIGHTS} (other formats are not read)")
    return folder


def is_ours(folder: Path) -> bool:
    """Whether it was written here; else PEFT alone knows what it is."""
    return (folder / ORIGIN).is_file()


def tensors_of(network: torch.nn.Module) -> dict[str, Tensor]:
    """Those of a network's adapter called "default", by their names in `Stored`."""
    return {
        name.removeprefix(PREFIX).replace(".default", ""): tensor.detach()
        for name, tensor in network.state_dict().items()
        if ".lora_" in name
    }


def put_tensors(network: torch.nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Set a network's adapter called "default" to what was stored. Raises `ModelError` where they differ in
    names or shapes.
    """
    own = tensors_of(network)
    unlike = [name for name in own.keys() | tensors.keys() if _shape(own, name) != _shape(tensors, name)]
    if unlike:
        raise ModelError(f"the adapter does not fit this model: they differ in {min(unlike)}")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])


def _shape(tensors: Mapping[str, Tensor], name: str) -> Any:
    return tensors[name].shape if name in tensors else None


def _outside(name: str, adapter: Adapter) -> str:
    """PEFT's file has DoRA's magnitudes without the name of the parameter."""
    return name.removesuffix(".weight") if _is_doras(name.removesuffix(".weight"), adapter) else name


def _inside(name: str, adapter: Adapter) -> str:
    return f"{name}.weight" if _is_doras(name, adapter) else name


def _is_doras(name: str, adapter: Adapter) -> bool:
    return adapter.kind == "dora" and name.endswith(MAGNITUDES["dora"]["out"])
