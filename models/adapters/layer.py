"""A linear layer of PEFT with decomposed weights (`decomposition.py`) and masks (`masks.py`).

A masked draw is the same with A and B masked; the norms of DoRA and BoRA are then those of the masked
weights, so that each draw is an adapter of its own kind. DoRA's magnitudes are PEFT's
`lora_magnitude_vector`; BoRA's are called by their axis, `lora_magnitude_out` and `lora_magnitude_in`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora.layer import Linear, LoraVariant
from torch import Tensor, nn

from ..errors import ModelError, UnsupportedOption
from .decomposition import composed, linear, magnitudes
from .folders import MAGNITUDES
from .kinds import Adapter, Axis
from .masks import Masks


@dataclass
class AdaptedConfig(LoraConfig):
    """PEFT's configuration, for layers of ours."""

    adapter: Adapter = field(default_factory=Adapter)
    adapted: bool = field(default=True, metadata={"is_lora_variant": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        self._register_custom_module({nn.Linear: AdaptedLinear})


class Magnitude(nn.Module):
    """One vector, named as PEFT names DoRA's; AdaLoRA's diagonal, [rank, 1], too."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(values)


class Adapted(LoraVariant):
    """What PEFT asks of a kind of LoRA; the arithmetic is the layer's."""

    def supports_lora_conversion(self) -> bool:
        return False

    @staticmethod
    def init(module: Any, adapter_name: str, **kwargs: Any) -> None:
        adapter = module.adapters[adapter_name]
        if adapter.kind == "adalora":
            for matrix in (module.lora_A[adapter_name], module.lora_B[adapter_name]):
                nn.init.normal_(matrix.weight, std=0.02)
            module.lora_E[adapter_name] = Magnitude(torch.zeros(adapter.rank, 1))
        for axis, values in magnitudes(module.plain.weight.detach(), adapter.axes).items():
            module.magnitudes(adapter.kind, axis)[adapter_name] = Magnitude(values)

    @staticmethod
    def merge_safe(module: Any, active_adapter: str, orig_weight: Tensor) -> Tensor:
        module.unmerged = orig_weight.detach().clone()
        return module.merged_weight(active_adapter).to(orig_weight.dtype)

    @staticmethod
    def merge_unsafe(module: Any, active_adapter: str, orig_weight: Tensor) -> None:
        orig_weight.data = Adapted.merge_safe(module, active_adapter, orig_weight)

    @staticmethod
    def unmerge(module: Any, active_adapter: str, orig_weight: Tensor) -> Tensor:
        unmerged, module.unmerged = module.unmerged, None
        return unmerged


class AdaptedLinear(Linear):
    """PEFT's LoRA layer over `nn.Linear`, one adapter at a time. Raises `UnsupportedOption` over weights that
    are quantised.

    masks: the draws to compute (`masks.drawn`); None: a new one at each pass of training, the mean of all in
    evaluation.
    """

    adapter_layer_names = (*Linear.adapter_layer_names, "lora_magnitude_out", "lora_magnitude_in", "lora_E")

    def __init__(self, base_layer: nn.Module, *args: Any, **kwargs: Any) -> None:
        if type(base_layer) is not nn.Linear and not isinstance(base_layer, Linear):
            raise UnsupportedOption(
                f"decomposed and masked adapters need plain linear layers, not {type(base_layer).__name__}: "
                "load the model without quantising it"
            )
        self.adapters: dict[str, Adapter] = {}
        super().__init__(base_layer, *args, **kwargs)
        self.masks: Masks | None = None
        self.unmerged: Tensor | None = None

    def update_layer(self, adapter_name: str, *args: Any, config: AdaptedConfig, **kwargs: Any) -> None:
        self.adapters[adapter_name] = config.adapter
        if not hasattr(self, "lora_magnitude_out"):
            self.lora_magnitude_out, self.lora_magnitude_in = nn.ModuleDict(), nn.ModuleDict()
            self.lora_E = nn.ModuleDict()
        super().update_layer(adapter_name, *args, config=config, **kwargs)

    @property
    def lora_variants(self) -> dict[tuple[str, ...], Any]:
        return {("adapted",): Adapted}

    def magnitudes(self, kind: str, axis: Axis) -> nn.ModuleDict:
        """Those of all adapters of this kind."""
        return getattr(self, MAGNITUDES[kind][axis])

    @property
    def plain(self) -> nn.Linear:
        """The layer below all adapters."""
        base = self.get_base_layer()
        assert isinstance(base, nn.Linear)
        return base

    @property
    def adapter(self) -> Adapter:
        """The active one."""
        return self.adapters[self._active()]

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.disable_adapters or self.merged:
            return super().forward(x, *args, **kwargs)
        self._check_forward_args(x, *args, **kwargs)
        if kwargs.get("adapter_names"):
            raise ModelError("decomposed and masked adapters cannot be mixed within a batch")
        name = self._active()
        masks, share = self.masks, self.adapters[name].mask
        if share and masks is None and self.training:
            masks = Masks.passing(self, share)
        if not share or masks is None:
            return self._pass(x, name)
        if len(x) % len(masks.inputs):
            raise ModelError(f"a batch of {len(x)} cannot be divided among {len(masks.inputs)} draws")
        parts = zip(x.chunk(len(masks.inputs)), masks.inputs, masks.outputs, strict=True)
        return torch.cat([self._pass(part, name, inputs, outputs) for part, inputs, outputs in parts])

    def merged_weight(self, name: str) -> Tensor:
        """W' in float32."""
        with torch.no_grad():
            return composed(self.plain.weight, *self._parts(name))[0]

    def _pass(
        self, x: Tensor, name: str, inputs: Tensor | None = None, outputs: Tensor | None = None
    ) -> Tensor:
        """With masks, or as a single pass."""
        base, adapter = self.plain, self.adapters[name]
        down, up, scale, magnitude = self._parts(name)
        if inputs is not None and outputs is not None:
            down, up, scale = down * inputs, up * outputs[:, None], scale / adapter.kept
        if magnitude:
            return linear(x, base.weight, base.bias, down, up, scale, magnitude, detach=adapter.detach)
        low = nn.functional.linear(self._cast_input_dtype(x, down.dtype), down)
        y = base(x)
        return y + (scale * nn.functional.linear(low, up)).to(y.dtype)

    def _parts(self, name: str) -> tuple[Tensor, Tensor, float, dict[Axis, Tensor]]:
        """A, B, s and the magnitudes in their order."""
        adapter = self.adapters[name]
        sizes: dict[Axis, Any] = {
            axis: self.magnitudes(adapter.kind, axis)[name].weight for axis in adapter.axes
        }
        down: Any = self.lora_A[name].weight
        up: Any = self.lora_B[name].weight
        if adapter.kind == "adalora":
            diagonal: Any = self.lora_E[name].weight
            up = up * diagonal[:, 0]
        return down, up, self.scaling[name], sizes

    def _active(self) -> str:
        names = [name for name in self.active_adapters if name in self.lora_A]
        if len(names) != 1:
            raise ModelError(f"one adapter of these kinds answers at a time, not {len(names)}")
        return names[0]
